// SPDX-License-Identifier: Apache-2.0
// Tests of image/layers.h: links, and layers above others: what replaces and removes what.
#include "image/layers.h"

#include "tests/lib/image_fixture.h"
#include "tests/lib/layers_fixture.h"
#include "tests/lib/suite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Links */

START_TEST(hard_links_share)
{
	start();
	tar_file(&tar, "a", "one");
	tar_hardlink(&tar, "b/c", "./a");
	APPLY();
	ck_assert_ptr_eq(at("a"), at("b/c"));
	ck_assert_uint_eq(at("a")->links, 2);
	/* Across layers, and over what is there. */
	tar_hardlink(&tar, "d", "b/c");
	tar_hardlink(&tar, "a", "b/c");
	tar_file(&tar, "b/c", "two");
	APPLY();
	check_text("a", "one");
	check_text("d", "one");
	check_text("b/c", "two");
	ck_assert_uint_eq(at("a")->links, 2);
	/* Over the folder its target is in. */
	tar_hardlink(&tar, "b", "b/c");
	APPLY();
	check_text("b", "two");
	ck_assert_uint_eq(at("b")->links, 1);
	finish();
}
END_TEST

START_TEST(bad_hard_links_are_refused)
{
	start();
	tar_hardlink(&tar, "x", "../etc/passwd");
	check_refused("\"..\"");
	start();
	tar_hardlink(&tar, "x", "/etc/passwd");
	check_refused("isn't there");
	start();
	tar_dir(&tar, "a");
	tar_hardlink(&tar, "x", "a");
	check_refused("not possible for a folder");
	start();
	tar_hardlink(&tar, "x", "x");
	check_refused("isn't there");
	start();
	tar_file(&tar, "a", "1");
	tar_hardlink(&tar, "a", "a");
	APPLY();
	check_text("a", "1");
	finish();
}
END_TEST

START_TEST(parents_may_be_symlinks)
{
	start();
	tar_dir(&tar, "usr/lib");
	tar_symlink(&tar, "lib", "usr/lib");
	tar_symlink(&tar, "abs", "/usr");
	tar_symlink(&tar, "up", "../../../usr/../usr/./lib");
	tar_symlink(&tar, "hop", "abs/lib");
	APPLY();
	tar_file(&tar, "lib/a", "1");
	tar_file(&tar, "abs/lib/b", "2");
	tar_file(&tar, "up/c", "3");
	tar_file(&tar, "hop/d", "4");
	tar_hardlink(&tar, "lib/e", "hop/d");
	APPLY();
	check_text("usr/lib/a", "1");
	check_text("usr/lib/b", "2");
	check_text("usr/lib/c", "3");
	check_text("usr/lib/d", "4");
	ck_assert_ptr_eq(at("usr/lib/e"), at("usr/lib/d"));
	ck_assert(S_ISLNK(at("lib")->mode));
	finish();
}
END_TEST

START_TEST(symlinks_stay_inside)
{
	start();
	tar_symlink(&tar, "out", "/../../tmp");
	tar_file(&tar, "out/evil", "1");
	APPLY();
	check_text("tmp/evil", "1");
	ck_assert_int_ne(access("/tmp/evil", F_OK), 0);
	finish();
}
END_TEST

START_TEST(symlink_loops_end)
{
	start();
	tar_symlink(&tar, "a", "b");
	tar_symlink(&tar, "b", "a");
	tar_file(&tar, "a/x", "1");
	check_refused("symlinks");
	start();
	tar_symlink(&tar, "a", "a/a/a/a");
	tar_file(&tar, "a/x", "1");
	check_refused("symlinks");
}
END_TEST

/* Types */

START_TEST(types_replace_each_other)
{
	start();
	tar_file(&tar, "a/b", "1");
	tar_file(&tar, "c", "2");
	tar_symlink(&tar, "l", "a");
	tar_file(&tar, "keep/x", "3");
	APPLY();
	tar_file(&tar, "a", "file");
	tar_dir(&tar, "c");
	tar_file(&tar, "c/d", "4");
	tar_dir(&tar, "l");
	tar_dir(&tar, "keep");
	APPLY();
	check_text("a", "file");
	CHECK_GONE("a/b");
	check_text("c/d", "4");
	ck_assert(S_ISDIR(at("l")->mode));
	check_text("keep/x", "3");
	finish();
}
END_TEST

START_TEST(file_is_no_parent)
{
	start();
	tar_file(&tar, "a", "1");
	tar_file(&tar, "a/b", "2");
	check_refused("not a folder");
}
END_TEST

START_TEST(lower_file_gives_way_to_a_folder)
{
	start();
	tar_file(&tar, "a", "1");
	APPLY();
	tar_file(&tar, "a/b/c", "2");
	APPLY();
	ck_assert(S_ISDIR(at("a")->mode));
	check_text("a/b/c", "2");
	finish();
}
END_TEST

/* Whiteouts */

START_TEST(whiteout_removes_lower)
{
	start();
	tar_file(&tar, "a/b", "1");
	tar_file(&tar, "a/c", "2");
	tar_file(&tar, "d/e/f", "3");
	APPLY();
	tar_file(&tar, "a/.wh.b", "");
	tar_file(&tar, ".wh.d", "");
	tar_file(&tar, ".wh.absent", "");
	tar_file(&tar, "no/such/.wh.dir", "");
	APPLY();
	CHECK_GONE("a/b");
	CHECK_GONE("d");
	CHECK_GONE("no");
	check_text("a/c", "2");
	ck_assert_uint_eq(tree.nnodes, 2);
	finish();
}
END_TEST

/* The same layer, its entries forwards and backwards, must give the same. */
static void whiteout_in_order(bool backwards)
{
	static const char *const entries[] = {".wh.d", "d/", "d/new", ".wh.f", "f",
		"o/.wh..wh..opq", "o/new", "o/sub/new", "p/q/.wh..wh..opq", "p/q/r/new"};
	const int n = sizeof(entries) / sizeof(entries[0]);

	start();
	tar_file(&tar, "d/old", "1");
	tar_file(&tar, "f", "old");
	tar_file(&tar, "o/old", "2");
	tar_file(&tar, "o/sub/old", "3");
	tar_file(&tar, "p/keep", "4");
	tar_file(&tar, "p/q/r/old", "5");
	APPLY();
	for (int i = 0; i < n; i++) {
		const char *path = entries[backwards ? n - 1 - i : i];

		if (path[strlen(path) - 1] == '/')
			tar_dir(&tar, path);
		else
			tar_file(&tar, path, "new");
	}
	APPLY();
	CHECK_GONE("d/old");
	check_text("d/new", "new");
	check_text("f", "new");
	CHECK_GONE("o/old");
	CHECK_GONE("o/sub/old");
	check_text("o/new", "new");
	check_text("o/sub/new", "new");
	check_text("p/keep", "4");
	CHECK_GONE("p/q/r/old");
	check_text("p/q/r/new", "new");
	finish();
}

START_TEST(whiteouts_spare_their_own_layer)
{
	whiteout_in_order(false);
	whiteout_in_order(true);
}
END_TEST

START_TEST(whiteouts_follow_symlinked_parents)
{
	start();
	tar_file(&tar, "usr/lib/a", "1");
	tar_symlink(&tar, "lib", "/usr/lib");
	tar_symlink(&tar, "x", "usr/lib");
	APPLY();
	tar_file(&tar, "lib/.wh.a", "");
	/* The link itself, not what it points to. */
	tar_file(&tar, ".wh.x", "");
	APPLY();
	CHECK_GONE("usr/lib/a");
	CHECK_GONE("x");
	ck_assert_ptr_nonnull(at("usr/lib"));
	finish();
}
END_TEST

START_TEST(odd_whiteouts_are_refused)
{
	start();
	tar_file(&tar, ".wh.", "");
	check_refused("whiteout of nothing");
	start();
	tar_file(&tar, "a/.wh...", "");
	APPLY();
	tar_dir(&tar, "a");
	APPLY();
	tar_file(&tar, "a/.wh...", "");
	check_refused("whiteout of nothing");
	start();
	tar_file(&tar, "../.wh.x", "");
	check_refused("\"..\"");
	start();
	tar_file(&tar, "a", "1");
	tar_dir(&tar, ".wh..wh.plnk");
	APPLY();
	ck_assert_uint_eq(tree.nnodes, 1);
	finish();
}
END_TEST

SUITE("image_layers_merge", hard_links_share, bad_hard_links_are_refused, parents_may_be_symlinks,
	symlinks_stay_inside, symlink_loops_end, types_replace_each_other, file_is_no_parent,
	lower_file_gives_way_to_a_folder, whiteout_removes_lower, whiteouts_spare_their_own_layer,
	whiteouts_follow_symlinked_parents, odd_whiteouts_are_refused)

// SPDX-License-Identifier: Apache-2.0
// hull pull: fetch and prepare an image, so that the first run of it starts at once.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/container.h"
#include "cli/options.h"
#include "image/image.h"
#include "image/store.h"

#include <limits.h>

struct pull_options {
	const char *store;
	bool path;
	bool help;
};

static const struct option_row rows[] = {
	{0, "store", "DIR",
		"Where prepared images are kept (default: $HULL_STORE, else /var/lib/hull for root "
		"and ~/.local/share/hull for others).",
		option_string, offsetof(struct pull_options, store)},
	{0, "path", NULL,
		"Print the path of the file system instead, an ext4 that is to be attached "
		"read-only.",
		option_flag, offsetof(struct pull_options, path)},
	{'h', "help", NULL, "Print this help.", option_flag, offsetof(struct pull_options, help)},
};

static void pull_help(FILE *out)
{
	fputs("Usage: hull pull [OPTION]... IMAGE\n"
	      "\n"
	      "Fetch IMAGE and prepare its file system, as the first \"hull run\" of it would.\n"
	      "The digest of its manifest is printed. IMAGE is what \"hull run\" takes.\n"
	      "\n"
	      "Options:\n",
		out);
	options_help(rows, ARRAY_SIZE(rows), out);
}

/* Where the image's file system is in the store. */
static int print_path(const struct image *image, struct err *err)
{
	char link[32], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", image->rootfs_fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return err_errno(err, errno, "%s", link);
	path[len] = '\0';
	puts(path);
	return 0;
}

static int pull_main(char *const *argv)
{
	struct pull_options options = {0};
	struct image image = IMAGE_INIT;
	struct store *store = NULL;
	struct err err = {0};
	int used = 0;
	int r = options_parse(rows, ARRAY_SIZE(rows), argv, &options, &used, &err);

	if (!r && options.help) {
		pull_help(stdout);
		return 0;
	}
	if (!r && (!argv[used] || !*argv[used] || argv[used + 1]))
		r = err_set(
			&err, -EINVAL, "pull: not one image is given, see \"hull pull --help\"");
	if (!r)
		r = store_open(options.store, &store, &err);
	if (!r)
		r = image_prepare(store, argv[used], &image, &err);
	if (!r && options.path)
		r = print_path(&image, &err);
	else if (!r)
		puts(image.digest);
	if (r < 0)
		log_error("%s", err.msg);
	image_fini(&image);
	store_close(store);
	return r < 0 ? CONTAINER_EXIT_HULL : 0;
}

const struct command cmd_pull = {
	.name = "pull",
	.summary = "Fetch and prepare an image",
	.help = pull_help,
	.run = pull_main,
};

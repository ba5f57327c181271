# SPDX-License-Identifier: Apache-2.0
"""Bad images: one line that says what is wrong, exit code 125, nothing half-made; and odd ones that are right."""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import layout
from harness import BUSYBOX, WorkDir, check, equal, hull, tree
from layout import archive, entry, folder, hardlink, symlink

DIGEST = r"sha256:[0-9a-f]{64}"


class Case:
    """A folder with an image in it and a fresh store, as a context."""

    def __enter__(self):
        self.work = WorkDir()
        path = self.work.__enter__()
        self.path = os.path.join(path, "image")
        self.store = os.path.join(path, "store")
        self.env = {"HULL_STORE": self.store}
        return self

    def __exit__(self, *args):
        self.work.__exit__(*args)

    def copy(self):
        """Start with a good image; return its manifest."""
        shutil.copytree(BUSYBOX, self.path)
        return layout.read_manifest(self.path)

    def derive(self, *layers, **kwargs):
        return layout.derive(BUSYBOX, self.path, layers, **kwargs)

    def expect_error(self, *patterns, reference=None):
        """Both times: a failure mustn't be taken for a success later."""
        for _ in range(2):
            hull(reference or self.path, "true", env=self.env).expect_error(125, *patterns)
            left = [name for name in tree(self.store) if "/" in name and not name.startswith("locks/")]
            equal(left, [], "left in the store")


def test_missing():
    with Case() as case:
        case.expect_error(case.path, "No such file")


def test_not_a_layout():
    with Case() as case:
        os.mkdir(case.path)
        case.expect_error(case.path, "not an OCI layout", "oci-layout")


def test_file_instead_of_a_layout():
    with Case() as case:
        with open(case.path, "wb"):
            pass
        case.expect_error(case.path, "not an OCI layout")


def test_missing_tag():
    with Case() as case:
        case.copy()
        case.expect_error(case.path, "no tag nightly", "latest", reference=case.path + ":nightly")


def test_malformed_index():
    with Case() as case:
        case.copy()
        with open(os.path.join(case.path, "index.json"), "w", encoding="utf-8") as file:
            file.write('{"manifests": [')
        case.expect_error(case.path, "index.json")


def damage(path, change):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data = change(data)
    with open(path, "wb") as file:
        file.write(data)


def flip_last(data):
    data[-1] ^= 1
    return data


def test_wrong_digest_of_the_manifest():
    with Case() as case:
        case.copy()
        blobs = os.path.join(case.path, "blobs", "sha256")
        smallest = min(os.listdir(blobs), key=lambda name: os.path.getsize(os.path.join(blobs, name)))
        damage(os.path.join(blobs, smallest), flip_last)
        case.expect_error(case.path, "wrong digest", DIGEST)


def test_wrong_digest_of_a_layer():
    with Case() as case:
        manifest = case.derive(archive(entry("file", data=b"x" * 100_000)))
        damage(layout.blob_path(case.path, manifest["layers"][1]), lambda data: data[:1000] + b"y" + data[1001:])
        case.expect_error(case.path, "wrong digest", manifest["layers"][1]["digest"])


def test_wrong_digest_of_the_unpacked_layer():
    with Case() as case:
        case.derive(archive(entry("file")), rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]})
        case.expect_error(case.path, "wrong digest", "unpacked layer")


def test_truncated_layer():
    with Case() as case:
        manifest = case.copy()
        damage(layout.blob_path(case.path, manifest["layers"][0]), lambda data: data[:len(data) // 2])
        case.expect_error(case.path, "truncated", manifest["layers"][0]["digest"])


def test_layer_whose_archive_is_cut():
    # Sizes and digests are right, but the archive inside ends early.
    with Case() as case:
        data = archive(entry("file", data=b"x" * 100_000))
        case.derive(data[:60_000])
        case.expect_error(case.path, "damaged|[Tt]runcated")


def test_layer_whose_compression_is_damaged():
    with Case() as case:
        data = gzip.compress(archive(entry("file", data=os.urandom(100_000))))
        manifest = case.derive()
        manifest["layers"].append(layout.put_blob(case.path, data[:50_000], "layer.v1.tar+gzip"))
        config = layout.read_json(case.path, manifest["config"])
        config["rootfs"]["diff_ids"].append("sha256:" + "0" * 64)
        manifest["config"] = layout.put_blob(case.path, json.dumps(config).encode(), "config.v1+json")
        layout.write_index(case.path, manifest)
        case.expect_error(case.path, "damaged", DIGEST)


def test_missing_layer():
    with Case() as case:
        manifest = case.copy()
        os.unlink(layout.blob_path(case.path, manifest["layers"][0]))
        case.expect_error(case.path, "missing", manifest["layers"][0]["digest"])


def test_layer_that_is_no_archive():
    with Case() as case:
        case.derive(b"this is not a tar archive" * 1000)
        case.expect_error(case.path, "damaged")


def test_other_cpu():
    with Case() as case:
        case.derive(architecture="arm64")
        case.expect_error(case.path, "linux/arm64", "linux/amd64")


def test_no_config():
    with Case() as case:
        manifest = case.copy()
        del manifest["config"]
        layout.write_index(case.path, manifest)
        case.expect_error(case.path, "no config")


def test_config_blob_missing():
    with Case() as case:
        manifest = case.copy()
        os.unlink(layout.blob_path(case.path, manifest["config"]))
        case.expect_error(case.path, "config", "missing")


def test_config_that_is_not_json():
    with Case() as case:
        manifest = case.copy()
        manifest["config"] = layout.put_blob(case.path, b"no json", "config.v1+json")
        layout.write_index(case.path, manifest)
        case.expect_error(case.path, "config")


def test_image_without_a_command():
    with Case() as case:
        case.derive(config={"Cmd": None, "Entrypoint": None})
        hull(case.path, env=case.env).expect_error(125, "no command")


def test_control_characters_in_the_reference():
    with Case() as case:
        result = hull("bad\x1b[31m\nname", "true", env=case.env)
        result.expect_error(125)
        check(b"\x1b" not in result.err, "escape sequence on stderr:", result)


def expect_bad_entry(case, what, *patterns):
    case.derive(archive(what))
    case.expect_error(case.path, "layer " + DIGEST, *patterns)


def test_archive_dot_dot_in_a_name():
    with Case() as case:
        escaped = os.path.join(os.path.dirname(case.path), "escaped")
        expect_bad_entry(case, entry("../" * 20 + escaped[1:], data=b"out"), r'"\.\." component')
        check(not os.path.exists(escaped), "a file was made outside")


def test_archive_dot_dot_inside_a_name():
    with Case() as case:
        expect_bad_entry(case, entry("etc/../../../file"), r"etc/\.\./", r'"\.\." component')


def test_archive_hard_link_out_by_dot_dot():
    with Case() as case:
        expect_bad_entry(case, hardlink("link", "../../../../etc/passwd"), "link", r'"\.\." component')


def test_archive_hard_link_out_by_absolute_name():
    # Names are the image's own, so this can only be a file of the image: there is none.
    with Case() as case:
        secret = os.path.join(os.path.dirname(case.path), "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("secret")
        expect_bad_entry(case, hardlink("link", secret), "link", "isn't there")
        equal(os.stat(secret).st_nlink, 1, "links of the host's file")


def test_archive_hard_link_through_a_symlink():
    with Case() as case:
        work = os.path.dirname(case.path)
        with open(os.path.join(work, "secret"), "w", encoding="utf-8") as file:
            file.write("secret")
        case.derive(archive(symlink("out", "../" * 20 + work[1:]), hardlink("link", "out/secret")))
        case.expect_error(case.path, "link", "isn't there|No such")


def test_archive_symlink_loop():
    with Case() as case:
        case.derive(archive(symlink("a", "b"), symlink("b", "a"), entry("a/file")))
        case.expect_error(case.path, "too many symlinks")


def test_archive_file_below_a_file():
    with Case() as case:
        case.derive(archive(entry("a"), entry("a/file")))
        case.expect_error(case.path, "layer " + DIGEST, "not a folder")


def test_archive_whiteout_with_dot_dot():
    with Case() as case:
        expect_bad_entry(case, entry("../../.wh.image"), r'"\.\." component')
        check(os.path.isdir(case.path), "the image was removed")


def test_docker_archive_that_is_none():
    with Case() as case:
        with open(case.path, "wb") as file:
            file.write(b"no archive" * 1000)
        case.expect_error(case.path, "skopeo", reference="docker-archive:" + case.path)


def test_docker_archive_missing():
    with Case() as case:
        case.expect_error(case.path, "No such file", reference="oci-archive:" + case.path)


# --- right images, some of them odd ---

ODD = """
ls -l /absolute/file /dot/file | awk '{ print $1, $NF }'
readlink /leaves; cat /leaves/passwd 2>/dev/null | head -c 4; echo
cat /through/in-host-tmp; cat /tmp/in-host-tmp
stat -c '%h %i' /hard1 /hard2 | uniq | wc -l
stat -c '%F %t,%T' /nodes/char /nodes/block; stat -c %F /nodes/fifo
cat /dev/from-image 2>/dev/null; ls /dev/from-image 2>&1
stat -c '%a %u %g' /modes/setuid /modes/sticky /modes/owned
stat -c %Y /modes/old
cat "/names/$(printf 'new\\nline')" /names/-rf "/names/ä ö" | tr -d '\\n'; echo
ls /names | wc -l
ls /opaque; ls /removed 2>&1; ls /etc/gone 2>&1; ls /linked-etc/
ls -d /usr/bin/env /replaced/now-a-folder; cat /folder-now-a-file
ls -l /sparse | awk '{ print $5 }'; cat /$(printf 'd%.0s' $(seq 200))/$(printf 'e%.0s' $(seq 200))/f
"""


def odd_layers():
    first = archive(
        entry("/absolute/file"), entry("./dot/./file"), symlink("leaves", "../../../../etc"),
        symlink("through", "../../tmp"), entry("through/in-host-tmp", data=b"in the image's\n"),
        entry("hard1", data=b"h"), hardlink("hard2", "hard1"), hardlink("hard3", "/hard1"),
        folder("nodes"), entry("nodes/char", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("nodes/block", tarfile.BLKTYPE, devmajor=8, devminor=0), entry("nodes/fifo", tarfile.FIFOTYPE),
        entry("dev/from-image", data=b"hidden by the container's own"),
        entry("modes/setuid", mode=0o4755), entry("modes/sticky", mode=0o1777),
        entry("modes/owned", mode=0o600, uid=3000000000, gid=70000), entry("modes/old", mtime=-1000),
        entry("names/new\nline", data=b"1"), entry("names/-rf", data=b"2"), entry("names/ä ö", data=b"3"),
        entry("names/" + "l" * 255),
        entry("opaque/below"), entry("removed/file"), entry("etc/gone"), symlink("linked-etc", "lower-etc"),
        entry("lower-etc/a"), entry("lower-etc/b"), entry("replaced", data=b"file"), entry("folder-now-a-file/x"),
        entry("d" * 200 + "/" + "e" * 200 + "/f", data=b"deep\n"),
        entry("sparse", data=b"\0" * 3_000_000))
    second = archive(
        entry("opaque/.wh..wh..opq"), entry("opaque/above"), entry(".wh.removed"), entry("etc/.wh.gone"),
        entry("linked-etc/.wh.a"), entry("not-there/.wh.x"), entry(".wh.never-was"), entry("leaves/.wh.nothing"),
        folder("replaced"), entry("replaced/now-a-folder"), entry("folder-now-a-file", data=b"file\n"))
    return first, second


def test_odd_but_right_image_runs():
    host_tmp = set(os.listdir("/tmp"))
    with Case() as case:
        case.derive(*odd_layers(), compress=True)
        result = hull(case.path, "sh", "-c", ODD, env=case.env)
        result.expect(0)
        equal(result.out.decode().splitlines(), [
            "-rw-r--r-- /absolute/file", "-rw-r--r-- /dot/file",
            "../../../../etc", "root",
            "in the image's", "in the image's",
            "1",
            "character special file 1,3", "block special file 8,0", "fifo",
            "ls: /dev/from-image: No such file or directory",
            "4755 0 0", "1777 0 0", "600 3000000000 70000",
            "-1000",
            "123",
            "4",
            "above", "ls: /removed: No such file or directory", "ls: /etc/gone: No such file or directory", "b",
            "/replaced/now-a-folder", "/usr/bin/env", "file",
            "3000000", "deep"], "what the container sees")
    check(not {name for name in set(os.listdir("/tmp")) - host_tmp if not name.startswith("hull-test-")},
          "names appeared in the host's /tmp")


def test_many_layers():
    with Case() as case:
        case.derive(*[archive(entry(f"layer/{i}", data=b"%d" % i), entry("last", data=b"%d" % i))
                      for i in range(120)])
        hull(case.path, "sh", "-c", "ls /layer | wc -l; cat /last; echo", env=case.env).expect(0, "120\n119\n")


def test_image_without_layers():
    with Case() as case:
        manifest = case.copy()
        config = layout.read_json(case.path, manifest["config"])
        config["rootfs"]["diff_ids"] = []
        manifest["layers"] = []
        manifest["config"] = layout.put_blob(case.path, json.dumps(config).encode(), "config.v1+json")
        layout.write_index(case.path, manifest)
        hull(case.path, "sh", env=case.env).expect_error(127, "sh", "not found")


def test_index_in_the_index():
    with Case() as case:
        case.copy()
        with open(os.path.join(case.path, "index.json"), encoding="utf-8") as file:
            inner = json.load(file)
        inner["manifests"][0].pop("annotations")
        other = dict(inner["manifests"][0], platform={"architecture": "s390x", "os": "linux"})
        inner["manifests"].insert(0, other)
        inner["mediaType"] = layout.PREFIX + "index.v1+json"
        outer = layout.put_blob(case.path, json.dumps(inner).encode(), "index.v1+json")
        outer["annotations"] = {"org.opencontainers.image.ref.name": "multi"}
        with open(os.path.join(case.path, "index.json"), "w", encoding="utf-8") as file:
            json.dump({"schemaVersion": 2, "manifests": [outer]}, file)
        hull(case.path + ":multi", "echo", "right one", env=case.env).expect(0, "right one\n")


def test_oci_archive():
    with Case() as case:
        case.copy()
        path = os.path.join(os.path.dirname(case.path), "archive.tar")
        subprocess.run(["tar", "-C", case.path, "-cf", path, "."], check=True)
        hull("oci-archive:" + path, "echo", "from an archive", env=case.env).expect(0, "from an archive\n")


def test_zstd_layer():
    with Case() as case:
        data = archive(entry("zstd", data=b"unpacked\n"))
        packed = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
        manifest = case.derive()
        config = layout.read_json(case.path, manifest["config"])
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
        manifest["config"] = layout.put_blob(case.path, json.dumps(config).encode(), "config.v1+json")
        manifest["layers"].append(layout.put_blob(case.path, packed, "layer.v1.tar+zstd"))
        layout.write_index(case.path, manifest)
        hull(case.path, "cat", "/zstd", env=case.env).expect(0, "unpacked\n")


def test_store_that_cannot_be_written():
    with WorkDir() as work:
        path = os.path.join(work, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        hull(BUSYBOX, "true", env={"HULL_STORE": path}).expect_error(125, "store", path)


# SPDX-License-Identifier: Apache-2.0
"""Several at once, and a builder that is killed half-way."""
import os
import random
import shutil
import signal

import layout
from harness import (BUSYBOX, DEADLINE, HULL, WorkDir, check, equal, finish, kill, run, start, start_hull, tree,
                     wait_for)


def store_names(store, folder):
    path = os.path.join(store, folder)
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def check_store(store, images=1):
    """A store that holds whole images and nothing else."""
    equal(store_names(store, "tmp"), [], "half-made in the store")
    equal(len(store_names(store, "rootfs")), images, f"images in the store, {store_names(store, 'rootfs')}")


def test_two_of_one_image():
    both = [start_hull("-i", BUSYBOX, "sh", "-c", f"echo {word} >/tmp/x; cat; cat /tmp/x", stdin=-1)
            for word in ("first", "second")]
    for process, word in zip(both, ("first", "second")):
        process.stdin.write(b"in\n")
    for process, word in zip(both, ("first", "second")):
        finish(process, DEADLINE).expect(0, f"in\n{word}\n")


def test_two_build_a_fresh_store():
    with WorkDir() as work:
        store = os.path.join(work, "store")
        both = [start_hull(BUSYBOX, "echo", word, env={"HULL_STORE": store}) for word in ("first", "second")]
        for process, word in zip(both, ("first", "second")):
            finish(process, DEADLINE).expect(0, word + "\n")
        check_store(store)


def test_four_pull_into_a_fresh_store():
    with WorkDir() as work:
        store = os.path.join(work, "store")
        image = large_image(work, 8)
        all_of_them = [start(HULL, "pull", image, env={"HULL_STORE": store}) for _ in range(4)]
        results = [finish(process, DEADLINE) for process in all_of_them]
        for result in results:
            result.expect(0)
        equal(len({result.out for result in results}), 1, "different digests")
        check_store(store)


def large_image(work, mib):
    """busybox and a large file that doesn't compress."""
    image = os.path.join(work, "image")
    noise = random.Random(1).randbytes(mib << 20)
    layout.derive(BUSYBOX, image, [layout.archive(layout.entry("large", data=noise))], compress=True)
    return image


def test_killed_builder_is_cleaned_up_after():
    with WorkDir() as work:
        store = os.path.join(work, "store")
        image = large_image(work, 24)
        for megabytes in (1, 12):
            process = start(HULL, "pull", image, env={"HULL_STORE": store})

            def half_made(process=process, megabytes=megabytes):
                check(process.poll() is None, "the builder was done before it could be killed")
                return [name for name, (_, size) in tree(os.path.join(store, "tmp")).items()
                        if size > megabytes << 20]
            wait_for(half_made, "the builder's file")
            process.kill()
            finish(process)
            equal(store_names(store, "rootfs"), [], "images in the store")
        check(store_names(store, "tmp"), "nothing half-made is left to clean up")
        result = start_hull(image, "sh", "-c", "ls -l /large | awk '{ print $5 }'", env={"HULL_STORE": store})
        finish(result, DEADLINE).expect(0, f"{24 << 20}\n")
        check_store(store)


def test_terminated_builder_leaves_nothing_for_long():
    with WorkDir() as work:
        store = os.path.join(work, "store")
        image = large_image(work, 24)
        process = start(HULL, "run", image, "true", env={"HULL_STORE": store})
        wait_for(lambda: tree(os.path.join(store, "tmp")), "the builder's file")
        kill(process.pid, signal.SIGTERM)
        equal(finish(process).code, 143, "exit code")
        run(HULL, "pull", BUSYBOX, env={"HULL_STORE": store}).expect(0)
        check_store(store)


def test_store_that_lost_its_image():
    # Somebody removed it to gain room: it is made again.
    with WorkDir() as work:
        store = os.path.join(work, "store")
        run(HULL, "pull", BUSYBOX, env={"HULL_STORE": store}).expect(0)
        shutil.rmtree(os.path.join(store, "rootfs"))
        run(HULL, "run", BUSYBOX, "echo", "again", env={"HULL_STORE": store}).expect(0, "again\n")
        check_store(store)


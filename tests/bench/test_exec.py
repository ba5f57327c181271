# SPDX-License-Identifier: Apache-2.0
"""hull-bench exec with a monitor and a runtime that are scripts."""
import os
import time

from case import Case, main

PULL = """#!/bin/sh
case $1 in --version) echo "hull 1.2.3" ;; pull) echo /rootfs ;; esac
"""
CRUN = """#!/bin/sh
echo "$@" >>"$TURNS.crun"
shift 2
case $1 in
run) echo "container: ready"; exec sleep 1000 ;;
exec) shift 2; "$@" ;;
esac
"""


class Exec(Case):
    def setUp(self):
        super().setUp()
        self.program("bin/hull", text=PULL)
        self.program("crun", text=CRUN)
        self.fake_monitor("bin/hull-vmm")
        for name in "dd", "true":
            os.symlink(f"/bin/{name}", os.path.join(self.bin, name))
        self.write(self.path("tools"), "a file system")
        os.makedirs(self.path("image/blobs/sha256"))
        self.write(self.path("image/index.json"), '{"manifests": [{"digest": "sha256:1"}]}')
        self.write(self.path("image/blobs/sha256/1"), '{"layers": []}')

    def env(self, **changes):
        return super().env(**{"HULL_BENCH_IMAGE": self.path("image"), "HULL_BENCH_TOOLS": self.path("tools"),
                              **changes})

    def exec(self, *args, **kw):
        return self.measure("exec", "--runs", "2", "--warmup", "1", *args, **kw)

    @staticmethod
    def runs(result, metric):
        return [(one["peer"], one["round"]) for one in result["runs"] if metric in one["values"]]

    def test_all(self):
        result, out, _ = self.exec("--peers", "hull,crun,runc", "--mib", "1", "--memory", "96", "--cpus", "2")
        self.assertEqual([one["failed"] for one in result["runs"]], [None] * len(result["runs"]))
        self.assertEqual(result["skipped"], {"runc": "not installed: no runc in PATH"})
        turns = [("hull", 0), ("crun", 0), ("hull", 1), ("crun", 1)]
        self.assertEqual(self.runs(result, "exec_us"), turns)
        self.assertEqual(self.runs(result, "stream_mib_s"), turns)
        self.assertEqual(self.runs(result, "vsock_mib_s"), [("hull", 0), ("hull", 1)])
        self.assertEqual([phase["phase"] for phase in result["runs"][0]["phases"]],
                         ["command made", "command started", "command ended"])
        self.assertEqual(result["runs"][0]["values"]["exec_us"], result["runs"][0]["phases"][-1]["at_us"])
        for run in result["runs"]:
            for value in run["values"].values():
                self.assertLessEqual(0, value)
        said = self.requests()
        self.assertIn('PUT /machine-config {"vcpu_count": 2, "mem_size_mib": 96}', said)
        self.assertEqual(sum('"args": ["true"]' in line for line in said), 3)
        self.assertRegex("\n".join(said), r'PUT /drives/image .*"path_on_host": "/rootfs"')
        self.assertRegex(out, r"crun .* hull/crun \d")
        self.assertRegex(out, r"attached client / vsock connection, the same image: [\d.]+, at least 0.80")

    def test_no_output_is_measured(self):
        result, out, _ = self.exec("--peers", "hull", "--mib", "0")
        self.assertEqual(self.runs(result, "stream_mib_s") + self.runs(result, "vsock_mib_s"), [])
        self.assertNotIn("at least", out)

    def test_image_without_socat(self):
        result, _, err = self.exec("--peers", "hull", "--mib", "1", env={"HULL_BENCH_TOOLS": self.path("none")})
        self.assertIn(f"vsock connection is skipped: HULL_BENCH_TOOLS={self.path('none')}: no such file", err)
        self.assertEqual((len(self.runs(result, "stream_mib_s")), self.runs(result, "vsock_mib_s")), (2, []))

    def failed(self, fake, *args, peer="hull"):
        began = time.monotonic()
        # A script needs a while to serve what it then does wrong.
        timeout = "1" if fake in ("absent", "") else "5"
        result, out, _ = self.exec("--peers", peer, "--timeout", timeout, *args, code=1, env={"FAKE": fake})
        self.assertLess(time.monotonic() - began, 60)
        failed = [one["failed"] for one in result["runs"] if one["failed"]]
        self.assertIn(f"{peer}: {len(failed)} of {len(result['runs'])} runs failed", out)
        return result, failed

    def test_command_that_never_ends(self):
        result, failed = self.failed("hang", "--mib", "0")
        self.assertEqual(failed, ["the API gave no answer in time"] * 2)
        self.assertEqual([one["values"] for one in result["runs"]], [{}] * 2)

    def test_command_that_fails(self):
        self.assertEqual(self.failed("fails", "--mib", "0")[1], ["true ended with {'exit_code': 3}"] * 2)

    def test_output_that_is_cut(self):
        _, failed = self.failed("short", "--mib", "1")
        self.assertEqual(failed, ["1048575 bytes of output came, not 1048576"] * 4)

    def test_container_that_does_not_start(self):
        for fake, why in (("ends", "ended before it served its API: out of order"),
                          ("absent", "did not serve its API within 1 s"), ("mute", "the API gave no answer in time"),
                          ("refuses", "PUT /actions: 400: .*no KVM")):
            _, failed = self.failed(fake, "--mib", "0")
            self.assertEqual(len(failed), 2)
            for one in failed:
                self.assertRegex(one, "^its container did not start: " + why)

    def test_runtime_that_fails(self):
        self.program("crun", text=CRUN.replace('shift 2; "$@"', "echo no such >&2; exit 4"))
        self.assertEqual(self.failed("", "--mib", "0", peer="crun")[1], ["exit code 4: no such"] * 2)
        self.program("crun", text=CRUN.replace('shift 2; "$@"', "sleep 1000"))
        self.assertEqual(self.failed("", "--mib", "0", peer="crun")[1], ["did not end within 1 s"] * 2)

    def test_bad_arguments(self):
        for args in (["--mib", "-1"], ["--mib", "x"], ["--pin", "x"], ["--pin", ""], ["--pin", "2-1"]):
            self.bench("exec", *args, code=2)
        self.fails("exec", "--peers", "qemu", words="this command measures no guests")
        self.fails("exec", "--json", self.path("no/such"), words="no/such: cannot be written")


main()

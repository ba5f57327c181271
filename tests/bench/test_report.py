# SPDX-License-Identifier: Apache-2.0
"""hull-bench report: tables of failed runs and series, pictures, no gnuplot."""
import os
import shutil
import unittest

from case import Case, main
from sample import result

from hull_bench import bars, document, picture, plot, results, table


def several(time="2026-01-01T00:00:00+00:00", scale=1):
    """Of two peers, with a series."""
    made = result(values=(10000 * scale, 12000 * scale))
    made["time"] = time
    made["peers"]["kvmtool"] = {"version": "", "workload": "guest", "command": ["lkvm"]}
    made["runs"] += [results.run("kvmtool", 0, values={"cpu_us": 5000}, phases=[results.phase("a \"quoted\" {phase}", 1, 2)]),
                     results.run("kvmtool", 1, failed="no memory")]
    made["runs"] += [results.run("qemu", 0, values={"cpu_us": 100 * n}, x=["VMs", n]) for n in (1, 2, 4)]
    return made


def jobs():
    """Of two peers, without phases."""
    made = result("vsock", values=())
    made["metrics"] = {"to_guest": results.metric('to the "guest"', "MiB/s", "more"),
                       "to_host": results.metric("to the host", "MiB/s", "more"), "trip_us": results.metric("round trip", "us")}
    made["peers"] = {"hull-vmm": dict(made["peers"]["qemu"]), "qemu": made["peers"]["qemu"]}
    made["runs"] = [results.run("hull-vmm", at, values={"to_guest": value, "to_host": 7, "trip_us": 1500})
                    for at, value in enumerate((10.0, 30.0, 20.0))]
    made["runs"].append(results.run("qemu", 0, values={"to_guest": 5.0}))
    return made


class Report(Case):
    def keep(self, name, made):
        document.write(self.path(name), made)
        return self.path(name)

    def test_table(self):
        out = table.text(several())
        self.assertRegex(out, r"kvmtool +5.00 ms +5.00 ms +5.00 ms +1 +qemu/kvmtool 2.000\n")
        self.assertIn("kvmtool: 1 of 2 runs failed, the first with: no memory", out)
        self.assertRegex(out, r"CPU time, VMs 4 .*\n +qemu +400.0 us")

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot-nox is not installed")
    def test_pictures(self):
        out, _ = self.bench("report", "--plots", self.path("plots"), self.keep("a", several()),
                            self.keep("b", several("2026-02-01T00:00:00+00:00", 2)))
        made = sorted(os.listdir(self.path("plots")))
        self.assertEqual(made, sorted(f"boot-{name}.{kind}" for kind in ("png", "svg") for name in (
            "cpu_us-1", "cpu_us-2", "cpu_us-over-results", "timeline-1", "timeline-2")))
        for name in made:
            self.assertIn(name, out)
            with open(os.path.join(self.path("plots"), name), "rb") as file:
                self.assertIn(b"PNG" if name.endswith("png") else b"<svg", file.read(400))
        with open(os.path.join(self.path("plots"), "boot-timeline-1.svg"), encoding="utf-8") as file:
            text = file.read()
        for word in "ready", "kvmtool", "qemu", "millions of instructions":
            self.assertIn(word, text)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot-nox is not installed")
    def test_text_runs_nothing(self):
        text = f"a `echo >{self.path('ran')}` \\`echo >{self.path('ran')}`\nsystem 'echo >{self.path('ran')}' \""
        made = several()
        made["metrics"]["cpu_us"]["label"] = made["machine"]["cpu"] = made["time"] = text
        made["runs"][0]["phases"][0]["phase"] = text
        made["peers"][text] = dict(made["peers"]["kvmtool"])
        for one in made["runs"]:
            one["peer"] = one["peer"].replace("kvmtool", text)
            one["x"] = one["x"] and [text, one["x"][1]]
        self.bench("report", "--plots", self.path("plots `echo >ran`"), self.keep("a", made))
        self.assertFalse(os.path.exists(self.path("ran")))
        with open(self.path("plots `echo >ran`/boot-timeline.svg"), encoding="utf-8") as file:
            self.assertIn("a `echo", file.read())

    def test_bars(self):
        script, _ = bars.timeline(several())
        # Medians of 5 and 6, and of 10 and 12 ms.
        self.assertIn("0.0 0 0.0 5.5 -0.35 0.35\n", script)
        self.assertIn("5.5 0 5.5 11.0 -0.35 0.35\n", script)

    def test_phases_in_order(self):
        names = ["started", "init", "ended"]
        bars.merge(names, ["started", "kernel", "ready", "ended", "gone"])
        self.assertEqual(names, ["started", "init", "kernel", "ready", "ended", "gone"])

    def test_medians_side_by_side(self):
        made = jobs()
        self.assertEqual([name for name, _ in plot.of_one(made)], ["MiB-s", "us"])
        script, height = bars.medians(made, "MiB/s", "more")
        for line in ('set label 2 "to the \\"guest\\"" at 0, 0.0 left', 'set label 3 "to the host" at 0, 3.6 left',
                     "0 1.0 0 20.0 0.5800000000000001 1.42\n", "20.0 1.0 10.0 30.0\n", "30.0 1.0 20\n", "5.0 2.0 5\n"):
            self.assertIn(line, script)
        # Of qemu nothing is known but one median, which has no range.
        self.assertEqual(script.count("$spans"), 2)
        self.assertIn(f"lc rgb '{picture.colour_of('qemu')}' title \"qemu\"", script)
        self.assertNotIn("round trip", script)
        self.assertLess(200, height)
        script, _ = bars.medians(made, "us", "less")
        self.assertIn("ms (less is better)", script)
        self.assertIn("0 1.0 0 1.5 ", script)
        self.assertIsNone(bars.medians(made, "IOPS", "more"))

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot-nox is not installed")
    def test_pictures_of_bars(self):
        out, _ = self.bench("report", "--plots", self.path("plots"), self.keep("a", jobs()))
        for name in "vsock-MiB-s.svg", "vsock-MiB-s.png", "vsock-us.svg", "vsock-us.png":
            self.assertIn(self.path("plots/" + name), out)
        with open(self.path("plots/vsock-MiB-s.svg"), encoding="utf-8") as file:
            text = file.read()
        for word in 'to the "guest"', "hull-vmm", "qemu", "MiB/s (more is better)", "commit cccccccccccc":
            self.assertIn(word, text)

    def test_units(self):
        self.assertEqual([picture.scale_of(unit, (3, 20000)) for unit in ("us", "KiB", "IOPS", "")],
                         [(1000, "ms"), (1024, "MiB"), (1, "IOPS"), (1, "")])
        self.assertEqual(picture.scale_of("KiB", (3, 8000)), (1, "KiB"))

    def test_nothing_to_draw(self):
        made = jobs()
        for one in made["runs"]:
            one.update(values={}, failed="no")
        _, err = self.bench("report", "--plots", self.path("plots"), self.keep("a", made), code=2)
        self.assertIn("nothing in these results can be drawn" if shutil.which("gnuplot") else "gnuplot is not installed", err)

    def test_lines(self):
        script, _ = plot.along_x(several(), "cpu_us")
        self.assertIn("1 0.1\n2 0.2\n4 0.4\n", script)
        script, _ = plot.along_results([several("2026-02-01", 2), several("2026-01-01")], "cpu_us")
        self.assertIn("0 11.0\n1 22.0\n", script)
        self.assertIsNone(plot.along_x(result(), "cpu_us"))

    def test_no_gnuplot(self):
        if os.path.lexists(os.path.join(self.bin, "gnuplot")):
            os.unlink(os.path.join(self.bin, "gnuplot"))
        out, err = self.bench("report", "--plots", self.path("plots"), self.keep("a", several()), code=2)
        self.assertIn("kvmtool", out)
        self.assertEqual(err, "hull-bench: gnuplot is not installed: Debian's package is gnuplot-nox "
                              "(scripts/setup installs it)\n")

    def test_plots_that_cannot_be_written(self):
        self.write(self.path("file"), "")
        self.bench("report", "--plots", self.path("file/x"), self.keep("a", several()), code=2)


main()

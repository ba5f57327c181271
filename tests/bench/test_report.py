# SPDX-License-Identifier: Apache-2.0
"""hull-bench report: tables of failed runs and series, pictures, no gnuplot."""
import os
import shutil
import unittest

from case import Case, main
from sample import result

from hull_bench import document, plot, results, table


def several(time="2026-01-01T00:00:00+00:00", scale=1):
    """Of two peers, with a series."""
    made = result(values=(10000 * scale, 12000 * scale))
    made["time"] = time
    made["peers"]["kvmtool"] = {"version": "", "workload": "guest", "command": ["lkvm"]}
    made["runs"] += [results.run("kvmtool", 0, values={"cpu_us": 5000}, phases=[results.phase("a \"quoted\" {phase}", 1, 2)]),
                     results.run("kvmtool", 1, failed="no memory")]
    made["runs"] += [results.run("qemu", 0, values={"cpu_us": 100 * n}, x=["VMs", n]) for n in (1, 2, 4)]
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

    def test_bars(self):
        script, _ = plot.timeline(several())
        # Medians of 5 and 6, and of 10 and 12 ms.
        self.assertIn("0.0 0 0.0 5.5 -0.35 0.35\n", script)
        self.assertIn("5.5 0 5.5 11.0 -0.35 0.35\n", script)

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

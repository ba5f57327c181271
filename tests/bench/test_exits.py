# SPDX-License-Identifier: Apache-2.0
"""Histograms of KVM's events, as the kernel prints them."""
import os
import shutil

from case import Case, main
from sample import result

from hull_bench import exits, share, table

HIST = """# event histogram
#
# trigger info: hist:keys=exit_reason:vals=hitcount:sort=hitcount:size=4096 [active]
#

{ exit_reason:        120 } hitcount:          3
{ exit_reason:       1024 } hitcount:        517
{ exit_reason: 0xffffffff } hitcount:          1

Totals:
    Hits: 521
    Entries: 3
    Dropped: 0
"""


class Exits(Case):
    def test_parse(self):
        self.assertEqual(exits.parse(HIST), {120: 3, 1024: 517, 0xffffffff: 1})

    def test_triggers_come_and_go(self):
        folder = self.path("events")
        for _, event, key in exits.HISTOGRAMS:
            os.makedirs(os.path.join(folder, event))
            self.write(os.path.join(folder, event, "hist"), HIST if event == "kvm_exit" else
                       "{ %s: 1016 } hitcount: %d\n{ %s: 1017 } hitcount: 9\n" % (key, 5, key))
        self.addCleanup(shutil.rmtree, folder)
        kept, exits.names_of_reasons = exits.names_of_reasons, lambda: exits.SVM
        self.addCleanup(setattr, exits, "names_of_reasons", kept)
        with exits.Exits(folder) as counted:
            with open(os.path.join(folder, "kvm_exit", "trigger"), encoding="ascii") as file:
                self.assertEqual(file.read(), "hist:keys=exit_reason:size=4096")
        with open(os.path.join(folder, "kvm_exit", "trigger"), encoding="ascii") as file:
            self.assertEqual(file.read(), "!hist:keys=exit_reason:size=4096")
        self.assertEqual(counted.found, [["exit", "NPF", 517], ["exit", "HLT", 3], ["exit", "0xffffffff", 1],
                                         ["port", "0x3f9", 9], ["address", "0x3f9", 9], ["port", "0x3f8", 5],
                                         ["address", "0x3f8", 5]])
        made = result()
        made["exits"]["qemu"] = counted.found
        self.assertIn("qemu: 521 exits: NPF 517, HLT 3, 0xffffffff 1\n  by port: 0x3f9 9, 0x3f8 5\n", table.text(made))

    def test_share(self):
        runtime = share.parse("{ pid:         12 } hitcount:          3  runtime:   5000000\n"
                              "{ pid:         13 } hitcount:          3  runtime:   9000000\n"
                              "{ pid:         99 } hitcount:          1  runtime:        77\n", "runtime")
        self.assertEqual(runtime, {12: 5000000, 13: 9000000, 99: 77})
        # 13 is a vCPU: what it does in KVM_RUN is left out.
        self.assertEqual(share.own_ns({12, 13}, runtime, {13: 4}, {12: 10, 13: 400}), 5000400)


main()

# SPDX-License-Identifier: Apache-2.0
"""Programs to compare: each file has an adapter, a subclass of base.Peer; this is the list of all."""
from .cloud_hypervisor import CloudHypervisor
from .crun import Crun
from .firecracker import Firecracker
from .hull import Hull, HullVmm
from .kvmtool import Kvmtool
from .qemu import Qemu
from .runc import Runc

# In the order of the tables: hull's own come first, others of their workload are compared with them.
ALL = {peer.name: peer for peer in (Hull, HullVmm, Qemu, Kvmtool, Firecracker, CloudHypervisor, Crun, Runc)}

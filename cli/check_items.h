// SPDX-License-Identifier: Apache-2.0
// What each item of an audit runs; the table of items is in check.c.
#pragma once

#include "cli/check.h"

/* check_on_host.c */
check_host_fn check_kernel;
check_host_fn check_guest_kernel;
check_host_fn check_ksm;
check_host_fn check_swap;
check_host_fn check_lsm;
check_host_fn check_landlock;
check_host_fn check_user_namespaces;
check_host_fn check_cgroup_v2;
check_host_fn check_hardening;

/* check_cpu.c */
check_host_fn check_vulnerabilities;
check_host_fn check_smt;
check_host_fn check_nested;

/* check_device.c */
check_host_fn check_dev_kvm;
check_host_fn check_dev_tun;

/* check_jail.c */
check_monitor_fn check_jail_root;
check_monitor_fn check_jail_namespaces;
check_monitor_fn check_jail_uid;
check_monitor_fn check_jail_seccomp;
check_monitor_fn check_jail_new_privs;
check_monitor_fn check_jail_capabilities;
check_monitor_fn check_jail_limits;
check_monitor_fn check_jail_debug;

/* check_monitor.c */
check_monitor_fn check_monitor_cgroup;
check_monitor_fn check_monitor_sockets;
check_monitor_fn check_monitor_output;
check_monitor_fn check_monitor_images;
check_monitor_fn check_monitor_rates;

/* check_network.c */
check_host_fn check_metadata;
check_host_fn check_taps;

/* check_store.c */
check_host_fn check_store_owner;
check_host_fn check_store_images;
check_host_fn check_store_digests;
check_host_fn check_store_policy;

/* check_left.c */
check_host_fn check_left_store;
check_host_fn check_left_sockets;
check_host_fn check_left_cgroups;

// SPDX-License-Identifier: Apache-2.0
// The keys of a line of metrics, in its order.
#include "vmm/metrics_keys.h"

#include "base/cleanup.h"
#include "devices/balloon.h"
#include "devices/blk.h"
#include "devices/net.h"
#include "devices/rng.h"
#include "devices/serial.h"
#include "devices/vsock.h"
#include "vmm/vcpu.h"

#include <assert.h>
#include <linux/virtio_ids.h>
#include <string.h>

#define NOT_COUNTED METRICS_NOT_COUNTED

static_assert((int)BLK_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)RNG_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)BALLOON_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)NET_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)VSOCK_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)SERIAL_COUNTERS <= METRICS_COUNTERS_MAX &&
		      (int)VCPU_EXITS <= METRICS_COUNTERS_MAX,
	"all that a source counts has a place");

static const struct metrics_group monitors = {.source = METRICS_MONITOR, .noun = "the monitor"};

/* Those that someone else than the monitor counts. */
static const struct metrics_group groups[] = {
	{"balloon", METRICS_BALLOON, VIRTIO_ID_BALLOON, NULL, "the balloon", BALLOON_COUNTERS},
	{"block", METRICS_BLOCK, VIRTIO_ID_BLOCK, "drive_id", "a block device", BLK_COUNTERS},
	{"entropy", METRICS_ENTROPY, VIRTIO_ID_RNG, NULL, "the entropy device", RNG_COUNTERS},
	{"net", METRICS_NET, VIRTIO_ID_NET, "iface_id", "a network device", NET_COUNTERS},
	{"uart", METRICS_UART, 0, NULL, "the serial port", SERIAL_COUNTERS},
	{"vcpu", METRICS_VCPU, 0, NULL, "all vCPUs", VCPU_EXITS},
	{"vsock", METRICS_VSOCK, VIRTIO_ID_VSOCK, NULL, "the vsock device", VSOCK_COUNTERS},
};

/* Keys of a group follow each other. */
static const struct metrics_key keys[] = {
	{"api_server", "process_startup_time_us", METRIC_STARTUP_US},
	{"api_server", "process_startup_time_cpu_us", METRIC_STARTUP_CPU_US},
	{"balloon", "activate_fails", NOT_COUNTED},
	{"balloon", "inflate_count", BALLOON_INFLATES},
	{"balloon", "stats_updates_count", BALLOON_REPORTS_OF_STATS},
	{"balloon", "stats_update_fails", BALLOON_STATS_BROKEN},
	{"balloon", "deflate_count", BALLOON_DEFLATES},
	{"balloon", "event_fails", BALLOON_BROKEN},
	{"balloon", "free_page_report_count", BALLOON_FREE_PAGES_REPORTS},
	{"balloon", "free_page_report_freed", BALLOON_FREE_PAGES_BYTES},
	{"balloon", "free_page_report_fails", NOT_COUNTED},
	{"balloon", "free_page_hint_count", NOT_COUNTED},
	{"balloon", "free_page_hint_freed", NOT_COUNTED},
	{"balloon", "free_page_hint_fails", NOT_COUNTED},
	{"block", "activate_fails", NOT_COUNTED},
	{"block", "cfg_fails", NOT_COUNTED},
	{"block", "no_avail_buffer", BLK_NOTIFIES_EMPTY},
	{"block", "event_fails", BLK_BROKEN},
	{"block", "execute_fails", BLK_FAILED},
	{"block", "invalid_reqs_count", BLK_INVALID},
	{"block", "flush_count", BLK_FLUSHES},
	{"block", "queue_event_count", BLK_NOTIFIES},
	{"block", "rate_limiter_event_count", BLK_RESUMED},
	{"block", "update_count", BLK_UPDATES},
	{"block", "update_fails", BLK_UPDATES_FAILED},
	{"block", "read_bytes", BLK_READ_BYTES},
	{"block", "write_bytes", BLK_WRITE_BYTES},
	{"block", "read_count", BLK_READS},
	{"block", "write_count", BLK_WRITES},
	{"block", "read_agg", NOT_COUNTED, true},
	{"block", "write_agg", NOT_COUNTED, true},
	{"block", "rate_limiter_throttled_events", BLK_THROTTLED},
	{"block", "io_engine_throttled_events", NOT_COUNTED},
	{"block", "remaining_reqs_count", NOT_COUNTED},
	{"deprecated_api", "deprecated_http_api_calls", METRIC_DEPRECATED},
	{"get_api_requests", "instance_info_count", METRIC_GET_INSTANCE},
	{"get_api_requests", "machine_cfg_count", METRIC_GET_MACHINE},
	{"get_api_requests", "mmds_count", NOT_COUNTED},
	{"get_api_requests", "vmm_version_count", METRIC_GET_VERSION},
	{"get_api_requests", "hotplug_memory_count", NOT_COUNTED},
	{"i8042", "error_count", NOT_COUNTED},
	{"i8042", "missed_read_count", NOT_COUNTED},
	{"i8042", "missed_write_count", NOT_COUNTED},
	{"i8042", "read_count", NOT_COUNTED},
	{"i8042", "reset_count", NOT_COUNTED},
	{"i8042", "write_count", NOT_COUNTED},
	{"latencies_us", "full_create_snapshot", NOT_COUNTED},
	{"latencies_us", "diff_create_snapshot", NOT_COUNTED},
	{"latencies_us", "load_snapshot", NOT_COUNTED},
	{"latencies_us", "pause_vm", METRIC_PAUSE_US},
	{"latencies_us", "resume_vm", METRIC_RESUME_US},
	{"latencies_us", "vmm_full_create_snapshot", NOT_COUNTED},
	{"latencies_us", "vmm_diff_create_snapshot", NOT_COUNTED},
	{"latencies_us", "vmm_load_snapshot", NOT_COUNTED},
	{"latencies_us", "vmm_pause_vm", METRIC_PAUSE_US},
	{"latencies_us", "vmm_resume_vm", METRIC_RESUME_US},
	{"logger", "missed_metrics_count", METRIC_LOST_METRICS},
	{"logger", "metrics_fails", NOT_COUNTED},
	{"logger", "missed_log_count", METRIC_LOST_LINES},
	{"mmds", "rx_accepted", NOT_COUNTED},
	{"mmds", "rx_accepted_err", NOT_COUNTED},
	{"mmds", "rx_accepted_unusual", NOT_COUNTED},
	{"mmds", "rx_bad_eth", NOT_COUNTED},
	{"mmds", "rx_invalid_token", NOT_COUNTED},
	{"mmds", "rx_no_token", NOT_COUNTED},
	{"mmds", "rx_count", NOT_COUNTED},
	{"mmds", "tx_bytes", NOT_COUNTED},
	{"mmds", "tx_count", NOT_COUNTED},
	{"mmds", "tx_errors", NOT_COUNTED},
	{"mmds", "tx_frames", NOT_COUNTED},
	{"mmds", "connections_created", NOT_COUNTED},
	{"mmds", "connections_destroyed", NOT_COUNTED},
	{"net", "activate_fails", NOT_COUNTED},
	{"net", "cfg_fails", NOT_COUNTED},
	{"net", "mac_address_updates", NOT_COUNTED},
	{"net", "no_rx_avail_buffer", NET_RX_NO_BUFFERS},
	{"net", "no_tx_avail_buffer", NET_TX_EMPTY},
	{"net", "event_fails", NET_BROKEN},
	{"net", "rx_queue_event_count", NET_RX_NOTIFIES},
	{"net", "rx_event_rate_limiter_count", NET_RX_RESUMED},
	{"net", "rx_rate_limiter_throttled", NET_RX_THROTTLED},
	{"net", "rx_tap_event_count", NET_NIC_READY},
	{"net", "rx_bytes_count", NET_RX_BYTES},
	{"net", "rx_packets_count", NET_RX_PACKETS},
	{"net", "rx_fails", NET_RX_FAILED},
	{"net", "rx_count", NET_RX_PACKETS},
	{"net", "tap_read_fails", NOT_COUNTED},
	{"net", "tap_write_fails", NOT_COUNTED},
	{"net", "tap_write_agg", NOT_COUNTED, true},
	{"net", "tx_bytes_count", NET_TX_BYTES},
	{"net", "tx_malformed_frames", NET_TX_MALFORMED},
	{"net", "tx_fails", NET_TX_FAILED},
	{"net", "tx_count", NET_TX_PACKETS},
	{"net", "tx_packets_count", NET_TX_PACKETS},
	{"net", "tx_queue_event_count", NET_TX_NOTIFIES},
	{"net", "tx_rate_limiter_event_count", NET_TX_RESUMED},
	{"net", "tx_rate_limiter_throttled", NET_TX_THROTTLED},
	{"net", "tx_spoofed_mac_count", NOT_COUNTED},
	{"net", "tx_remaining_reqs_count", NOT_COUNTED},
	{"patch_api_requests", "drive_count", METRIC_PATCH_DRIVE},
	{"patch_api_requests", "drive_fails", METRIC_PATCH_DRIVE_FAILS},
	{"patch_api_requests", "network_count", METRIC_PATCH_NETWORK},
	{"patch_api_requests", "network_fails", METRIC_PATCH_NETWORK_FAILS},
	{"patch_api_requests", "machine_cfg_count", METRIC_PATCH_MACHINE},
	{"patch_api_requests", "machine_cfg_fails", METRIC_PATCH_MACHINE_FAILS},
	{"patch_api_requests", "mmds_count", NOT_COUNTED},
	{"patch_api_requests", "mmds_fails", NOT_COUNTED},
	{"patch_api_requests", "hotplug_memory_count", NOT_COUNTED},
	{"patch_api_requests", "hotplug_memory_fails", NOT_COUNTED},
	{"put_api_requests", "actions_count", METRIC_PUT_ACTIONS},
	{"put_api_requests", "actions_fails", METRIC_PUT_ACTIONS_FAILS},
	{"put_api_requests", "boot_source_count", METRIC_PUT_BOOT_SOURCE},
	{"put_api_requests", "boot_source_fails", METRIC_PUT_BOOT_SOURCE_FAILS},
	{"put_api_requests", "drive_count", METRIC_PUT_DRIVE},
	{"put_api_requests", "drive_fails", METRIC_PUT_DRIVE_FAILS},
	{"put_api_requests", "logger_count", METRIC_PUT_LOGGER},
	{"put_api_requests", "logger_fails", METRIC_PUT_LOGGER_FAILS},
	{"put_api_requests", "machine_cfg_count", METRIC_PUT_MACHINE},
	{"put_api_requests", "machine_cfg_fails", METRIC_PUT_MACHINE_FAILS},
	{"put_api_requests", "cpu_cfg_count", METRIC_PUT_CPU},
	{"put_api_requests", "cpu_cfg_fails", METRIC_PUT_CPU_FAILS},
	{"put_api_requests", "metrics_count", METRIC_PUT_METRICS},
	{"put_api_requests", "metrics_fails", METRIC_PUT_METRICS_FAILS},
	{"put_api_requests", "network_count", METRIC_PUT_NETWORK},
	{"put_api_requests", "network_fails", METRIC_PUT_NETWORK_FAILS},
	{"put_api_requests", "mmds_count", NOT_COUNTED},
	{"put_api_requests", "mmds_fails", NOT_COUNTED},
	{"put_api_requests", "vsock_count", METRIC_PUT_VSOCK},
	{"put_api_requests", "vsock_fails", METRIC_PUT_VSOCK_FAILS},
	{"put_api_requests", "pmem_count", NOT_COUNTED},
	{"put_api_requests", "pmem_fails", NOT_COUNTED},
	{"put_api_requests", "serial_count", METRIC_PUT_SERIAL},
	{"put_api_requests", "serial_fails", METRIC_PUT_SERIAL_FAILS},
	{"put_api_requests", "hotplug_memory_count", NOT_COUNTED},
	{"put_api_requests", "hotplug_memory_fails", NOT_COUNTED},
	{"seccomp", "num_faults", NOT_COUNTED},
	{"vcpu", "exit_io_in", VCPU_EXIT_IO_IN},
	{"vcpu", "exit_io_out", VCPU_EXIT_IO_OUT},
	{"vcpu", "exit_mmio_read", VCPU_EXIT_MMIO_READ},
	{"vcpu", "exit_mmio_write", VCPU_EXIT_MMIO_WRITE},
	{"vcpu", "failures", VCPU_EXIT_FAILED},
	{"vcpu", "kvmclock_ctrl_fails", NOT_COUNTED},
	{"vcpu", "exit_io_in_agg", NOT_COUNTED, true},
	{"vcpu", "exit_io_out_agg", NOT_COUNTED, true},
	{"vcpu", "exit_mmio_read_agg", NOT_COUNTED, true},
	{"vcpu", "exit_mmio_write_agg", NOT_COUNTED, true},
	{"vmm", "panic_count", NOT_COUNTED},
	{"uart", "error_count", SERIAL_ERRORS},
	{"uart", "flush_count", SERIAL_WRITE_OUTS},
	{"uart", "missed_read_count", SERIAL_BAD_READS},
	{"uart", "missed_write_count", SERIAL_BAD_WRITES},
	{"uart", "read_count", SERIAL_READS},
	{"uart", "write_count", SERIAL_WRITES},
	{"uart", "rate_limiter_dropped_bytes", SERIAL_LIMITED},
	{"uart", "dropped_bytes", SERIAL_DROPPED},
	{"signals", "sigbus", NOT_COUNTED},
	{"signals", "sigsegv", NOT_COUNTED},
	{"signals", "sigxfsz", NOT_COUNTED},
	{"signals", "sigxcpu", NOT_COUNTED},
	{"signals", "sigpipe", NOT_COUNTED},
	{"signals", "sighup", NOT_COUNTED},
	{"signals", "sigill", NOT_COUNTED},
	{"vsock", "activate_fails", NOT_COUNTED},
	{"vsock", "cfg_fails", NOT_COUNTED},
	{"vsock", "rx_queue_event_fails", VSOCK_RX_BROKEN},
	{"vsock", "tx_queue_event_fails", VSOCK_TX_BROKEN},
	{"vsock", "ev_queue_event_fails", VSOCK_EVENT_BROKEN},
	{"vsock", "muxer_event_fails", NOT_COUNTED},
	{"vsock", "conn_event_fails", NOT_COUNTED},
	{"vsock", "rx_queue_event_count", VSOCK_RX_NOTIFIES},
	{"vsock", "tx_queue_event_count", VSOCK_TX_NOTIFIES},
	{"vsock", "rx_bytes_count", VSOCK_RX_BYTES},
	{"vsock", "tx_bytes_count", VSOCK_TX_BYTES},
	{"vsock", "rx_packets_count", VSOCK_RX_PACKETS},
	{"vsock", "tx_packets_count", VSOCK_TX_PACKETS},
	{"vsock", "conns_added", VSOCK_CONNS_ADDED},
	{"vsock", "conns_killed", VSOCK_CONNS_KILLED},
	{"vsock", "conns_removed", VSOCK_CONNS_REMOVED},
	{"vsock", "killq_resync", NOT_COUNTED},
	{"vsock", "tx_flush_fails", NOT_COUNTED},
	{"vsock", "tx_write_fails", VSOCK_WRITE_FAILS},
	{"vsock", "rx_read_fails", VSOCK_READ_FAILS},
	{"entropy", "activate_fails", NOT_COUNTED},
	{"entropy", "entropy_event_fails", RNG_BROKEN},
	{"entropy", "entropy_event_count", RNG_NOTIFIES},
	{"entropy", "entropy_bytes", RNG_BYTES},
	{"entropy", "host_rng_fails", RNG_FAILED},
	{"entropy", "entropy_rate_limiter_throttled", RNG_THROTTLED},
	{"entropy", "rate_limiter_event_count", RNG_RESUMED},
	{"interrupts", "triggers", METRIC_INTERRUPTS},
	{"interrupts", "config_updates", NOT_COUNTED},
	{"memory_hotplug", "activate_fails", NOT_COUNTED},
	{"memory_hotplug", "queue_event_fails", NOT_COUNTED},
	{"memory_hotplug", "queue_event_count", NOT_COUNTED},
};

const struct metrics_key *metrics_keys(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(keys);
	return keys;
}

const struct metrics_group *metrics_group(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	return &monitors;
}

const struct metrics_group *metrics_group_of_device(uint32_t virtio_id)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (virtio_id && groups[i].virtio_id == virtio_id)
			return &groups[i];
	return NULL;
}

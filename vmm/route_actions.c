// SPDX-License-Identifier: Apache-2.0
// /actions
#include "vmm/routes.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

#include <string.h>

enum action {
	ACTION_START,
	ACTION_CTRL_ALT_DEL,
	ACTION_FLUSH_METRICS,
};

/* What a guest gets that is not told otherwise: Firecracker's. */
static const char default_args[] =
	"reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd "
	"swiotlb=noforce";

/* The root device is /dev/vda: it goes before the others. */
static const struct config_disk *move_root_first(struct config *config)
{
	for (unsigned int i = 0; i < config->disk_count; i++) {
		struct config_disk root = config->disks[i];

		if (!root.root)
			continue;
		memmove(config->disks + 1, config->disks, i * sizeof(root));
		config->disks[0] = root;
		return &config->disks[0];
	}
	return NULL;
}

/* The kernel's command line: what the client gave, and where the root is. */
static int make_cmdline(struct config *config, struct err *err)
{
	const struct config_disk *root = move_root_first(config);
	const char *args = config->boot_args ? config->boot_args : default_args, *kept;
	/* What follows is for init, not for the kernel. */
	const char *init_args = strstr(args, " -- ");
	size_t len = init_args ? (size_t)(init_args - args) : strlen(args);
	struct buf line = BUF_INIT(64 * 1024);
	int r = buf_add(&line, args, len);

	if (!r && root && root->partuuid)
		r = buf_printf(&line, " root=PARTUUID=%s", root->partuuid);
	else if (!r && root)
		r = buf_printf(&line, " root=/dev/vda");
	if (!r && root)
		r = buf_printf(&line, " %s", root->read_only ? "ro" : "rw");
	if (!r && init_args)
		r = buf_printf(&line, "%s", init_args);
	if (!r)
		r = buf_add(&line, "", 1);
	kept = r ? NULL : config_keep(config, (const char *)line.data);
	buf_fini(&line);
	if (!kept)
		return err_set(err, -ENOMEM, "boot-source: no memory for the command line");
	config_drop(config, config->cmdline);
	config->cmdline = kept;
	return 0;
}

static int start(struct monitor *monitor, struct err *err)
{
	int code, r;

	if (monitor->state != MONITOR_NOT_STARTED)
		return err_set(err, -EBUSY, "InstanceStart: the microVM is started already");
	if (!monitor->config.kernel)
		return err_set(err, -EINVAL,
			"InstanceStart: there is no kernel: PUT /boot-source comes first");
	r = make_cmdline(&monitor->config, err);
	if (!r)
		r = monitor_start(monitor, &code, err);
	monitor->by_api = true;
	return r;
}

static int ctrl_alt_del(struct monitor *monitor, struct err *err)
{
	int r;

	if (monitor->state == MONITOR_NOT_STARTED)
		return err_set(err, -EINVAL, "SendCtrlAltDel: the microVM is not started");
	/* hull-init has no keyboard, but it knows how to end. */
	if (container_shutdown(&monitor->container) == 0)
		return 0;
	r = machine_ctrl_alt_del(&monitor->machine);
	switch (r) {
	case 0:
		return 0;
	case -ENODEV:
		return err_set(err, r, "SendCtrlAltDel: the guest has switched the keyboard off");
	case -EBUSY:
		return err_set(err, r, "SendCtrlAltDel: the guest takes no keys now");
	default:
		return err_errno(err, -r, "SendCtrlAltDel");
	}
}

int route_put_action(struct route_call *call, struct err *err)
{
	static const char *const actions[] = {
		"InstanceStart", "SendCtrlAltDel", "FlushMetrics", NULL};
	int action = 0;
	const struct json_field fields[] = {
		{.name = "action_type",
			.type = JSON_READ_WORD,
			.ret = &action,
			.required = true,
			.words = actions},
	};
	int r = json_read("actions", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	switch ((enum action)action) {
	case ACTION_START:
		return start(call->monitor, err);
	case ACTION_CTRL_ALT_DEL:
		return ctrl_alt_del(call->monitor, err);
	case ACTION_FLUSH_METRICS:
		return metrics_flush(&call->monitor->metrics, err);
	}
	return -EINVAL;
}

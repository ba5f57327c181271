// SPDX-License-Identifier: Apache-2.0
// --config-file and --container: what clients would send, in a file.
#pragma once

struct err;
struct monitor;

/*
 * config_file_apply() - read the file that the configuration names, and start the VM
 * @ret_code:	on failure: what to exit with
 *
 * Each member goes through the handler of its resource, so it means the same as over the API; a
 * container is started, too.
 *
 * Return: 0 or -errno with @err set.
 */
int config_file_apply(struct monitor *monitor, int *ret_code, struct err *err);

/* config_file_container() - PUT /container what the file holds that --container names. As above. */
int config_file_container(struct monitor *monitor, int *ret_code, struct err *err);

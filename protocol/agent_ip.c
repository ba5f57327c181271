// SPDX-License-Identifier: Apache-2.0
// The agent protocol: IP addresses as text.
#include "protocol/agent_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int agent_ip_parse(const char *text, struct agent_ip *ret)
{
	*ret = (struct agent_ip){0};
	if (inet_pton(AF_INET, text, ret->bytes) == 1)
		ret->family = 4;
	else if (inet_pton(AF_INET6, text, ret->bytes) == 1)
		ret->family = 6;
	return ret->family ? 0 : -EINVAL;
}

int agent_ip_parse_prefix(const char *text, struct agent_ip *ret, uint8_t *ret_prefix)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN] = "";
	unsigned long prefix;
	char *end;

	if (!slash)
		return -ENOENT;
	if ((size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	if (agent_ip_parse(address, ret) < 0)
		return -EINVAL;
	/* Neither signs nor spaces. */
	if (slash[1] < '0' || slash[1] > '9')
		return -ERANGE;
	prefix = strtoul(slash + 1, &end, 10);
	if (*end || prefix > (ret->family == 4 ? 32 : 128))
		return -ERANGE;
	*ret_prefix = (uint8_t)prefix;
	return 0;
}

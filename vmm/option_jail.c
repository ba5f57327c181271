// SPDX-License-Identifier: Apache-2.0
// The options of the jail.
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/* The highest means "none" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

static int set_id(
	const char *option, const char *text, uint32_t *ret, bool *ret_given, struct err *err)
{
	uint64_t value = 0;
	int r = option_number(option, text, ID_MAX, &value, err);

	if (r < 0)
		return r;
	if (!value)
		return err_set(
			err, -EINVAL, "%s: 0 is root, which a jailed monitor never is", option);
	*ret = (uint32_t)value;
	*ret_given = true;
	return 0;
}

static int add_grant(char *text, struct config_jail *jail, struct err *err)
{
	char *comma = strrchr(text, ',');
	bool writable = comma && !strcmp(comma, ",rw");

	if (writable)
		*comma = '\0';
	if (!*text)
		return err_set(err, -EINVAL, "--grant: no directory is named");
	if (jail->grant_count == CONFIG_JAIL_GRANTS_MAX)
		return err_set(err, -EINVAL, "--grant %s: more than %d directories", text,
			CONFIG_JAIL_GRANTS_MAX);
	jail->grants[jail->grant_count++] =
		(struct config_jail_grant){.path = text, .writable = writable};
	return 0;
}

static int set_without(char *text, struct config_jail *jail, struct err *err)
{
	char *word, *rest = text;

	while ((word = strsep(&rest, ","))) {
		unsigned int i = 0;

		while (i < CONFIG_JAIL_LAYERS && strcmp(word, config_jail_layers[i]) != 0)
			i++;
		if (i == CONFIG_JAIL_LAYERS)
			return err_set(err, -EINVAL,
				"--jail-without: '%s' is none of userns, landlock and seccomp",
				word);
		jail->without |= 1u << i;
	}
	return 0;
}

/* Named as by Firecracker's jailer. */
static int set_limit(char *text, struct config_jail *jail, struct err *err)
{
	char *value = strchr(text, '=');
	uint64_t number = 0;
	int r;

	if (!value)
		return err_set(err, -EINVAL, "--resource-limit: '%s' is not NAME=VALUE", text);
	*value++ = '\0';
	if (strcmp(text, "fsize") != 0 && strcmp(text, "no-file") != 0)
		return err_set(
			err, -EINVAL, "--resource-limit: '%s' is neither fsize nor no-file", text);
	r = option_number("--resource-limit", value, INT64_MAX, &number, err);
	if (r < 0)
		return r;
	if (!number)
		return err_set(
			err, -EINVAL, "--resource-limit: %s=0 leaves nothing to run with", text);
	*(strcmp(text, "fsize") ? &jail->nofile : &jail->fsize) = number;
	return 0;
}

int option_jail(enum option_jail option, char *text, struct config *config, struct err *err)
{
	struct config_jail *jail = &config->jail;

	switch (option) {
	case OPTION_DIE_WITH_PARENT:
		jail->die_with_parent = true;
		return 0;
	case OPTION_NO_JAIL:
		jail->off = true;
		return 0;
	case OPTION_NO_SECCOMP:
		jail->no_seccomp = true;
		return 0;
	case OPTION_JAIL_WITHOUT:
		return set_without(text, jail, err);
	case OPTION_GRANT:
		return add_grant(text, jail, err);
	case OPTION_UID:
		return set_id("--uid", text, &jail->uid, &jail->uid_given, err);
	case OPTION_GID:
		return set_id("--gid", text, &jail->gid, &jail->gid_given, err);
	case OPTION_RESOURCE_LIMIT:
		return set_limit(text, jail, err);
	}
	return -EINVAL;
}

int option_jail_check(const struct config *config, struct err *err)
{
	const struct config_jail *jail = &config->jail;

	if (jail->off && (jail->uid_given || jail->gid_given || jail->grant_count || jail->fsize ||
				 jail->nofile))
		return err_set(err, -EINVAL,
			"--no-jail: --uid, --gid, --grant and --resource-limit are of the jail");
	return 0;
}

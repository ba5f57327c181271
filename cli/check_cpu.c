// SPDX-License-Identifier: Apache-2.0
// Items of an audit: the CPU.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define VULNERABILITIES "sys/devices/system/cpu/vulnerabilities"

/* "Mitigation: ...; SMT vulnerable" is one, too. */
void check_vulnerabilities(const struct check_host *host, struct check_finding *finding)
{
	char text[CHECK_LINE_SIZE], path[512];
	struct dirent *entry;
	unsigned int known = 0;
	DIR *dir;
	int r = check_opendir(host->root, VULNERABILITIES, &dir);

	if (r < 0) {
		check_unreadable(finding, "/" VULNERABILITIES, r);
		return;
	}
	while ((entry = check_next(dir))) {
		snprintf(path, sizeof(path), VULNERABILITIES "/%s", entry->d_name);
		r = check_read_line(host->root, path, text, sizeof(text));
		if (r < 0)
			check_unreadable(finding, entry->d_name, r);
		else if (strcasestr(text, "vulnerable"))
			check_say(finding, CHECK_WARN, "%.40s: %.100s", entry->d_name, text);
		else if (strcasestr(text, "unknown"))
			check_say(finding, CHECK_UNKNOWN, "%.40s: %.100s", entry->d_name, text);
		else
			known++;
	}
	closedir(dir);
	if (!known && !finding->len)
		check_say(finding, CHECK_UNKNOWN, "/" VULNERABILITIES " is empty");
	check_say(finding, CHECK_PASS, "%u are mitigated or don't concern this CPU", known);
}

void check_smt(const struct check_host *host, struct check_finding *finding)
{
	char control[CHECK_LINE_SIZE] = "";
	int64_t active;
	int r = check_read_number(host->root, "sys/devices/system/cpu/smt/active", &active);

	check_read_line(host->root, "sys/devices/system/cpu/smt/control", control, sizeof(control));
	if (r < 0)
		check_unreadable(finding, "/sys/devices/system/cpu/smt/active", r);
	else if (active)
		check_say(finding, CHECK_WARN,
			"threads share a core: a guest can measure what runs beside it");
	else
		check_say(finding, CHECK_PASS, "off%s%s", *control ? ", " : "", control);
}

void check_nested(const struct check_host *host, struct check_finding *finding)
{
	static const char *const modules[] = {"kvm_intel", "kvm_amd"};
	char path[CHECK_LINE_SIZE], text[CHECK_LINE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		int r;

		snprintf(path, sizeof(path), "sys/module/%s/parameters/nested", modules[i]);
		r = check_read_line(host->root, path, text, sizeof(text));
		if (r == -ENOENT)
			continue;
		if (r < 0)
			check_unreadable(finding, path, r);
		else if (text[0] == 'Y' || text[0] == '1')
			check_say(finding, CHECK_WARN,
				"%s has it on; hull shows it to guests only with --nested on",
				modules[i]);
		else
			check_say(finding, CHECK_PASS, "%s has it off", modules[i]);
	}
	if (!finding->len)
		check_say(finding, CHECK_UNKNOWN, "neither kvm_intel nor kvm_amd is loaded");
}

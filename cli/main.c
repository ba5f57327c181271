// SPDX-License-Identifier: Apache-2.0
// The command line of hull.
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/container.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_check,
	&cmd_pull,
	&cmd_run,
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void help(FILE *out)
{
	fputs("hull runs each container in a KVM microVM of its own.\n"
	      "\n"
	      "Usage: hull COMMAND [OPTION]... [ARGUMENT]...\n"
	      "\n"
	      "Commands:\n",
		out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help         Print this help, or with a command's name that command's\n"
	      "\n"
	      "Options:\n"
	      "  --help       Print this help\n"
	      "  --version    Print the version\n"
	      "\n"
	      "Examples:\n"
	      "  hull run -it debian:12 bash\n"
	      "  hull help run\n",
		out);
}

static int help_command(const char *name)
{
	const struct command *command = name ? command_find(name) : NULL;

	if (name && !command && strcmp(name, "help") != 0) {
		log_error("\"%s\" is not a command, see \"hull --help\"", name);
		return CONTAINER_EXIT_HULL;
	}
	if (command)
		command->help(stdout);
	else
		help(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int r = io_open_standard();
	int code, lost = 0;

	/* Beyond "ulimit -f" a write shall fail, so that it is told and cleaned up. */
	signal(SIGXFSZ, SIG_IGN);
	if (r < 0) {
		log_error("/dev/null: %s", strerror(-r));
		return CONTAINER_EXIT_HULL;
	}
	if (argc < 2) {
		help(stderr);
		return CONTAINER_EXIT_HULL;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("hull " HULL_VERSION);
		code = 0;
	} else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		code = help_command(NULL);
	} else if (!strcmp(argv[1], "help")) {
		code = help_command(argv[2]);
	} else {
		command = command_find(argv[1]);
		if (!command) {
			log_error("\"%s\" is not a%s, see \"hull --help\"", argv[1],
				argv[1][0] == '-' ? "n option" : " command");
			return CONTAINER_EXIT_HULL;
		}
		code = command->run(argv + 2);
	}
	/* Also of what was written before: the reason of that isn't known any more. */
	if (fflush(stdout) == EOF)
		lost = errno;
	else if (ferror(stdout))
		lost = EIO;
	if (lost) {
		log_error("standard output: %s", strerror(lost));
		code = CONTAINER_EXIT_HULL;
	}
	return code;
}

// SPDX-License-Identifier: Apache-2.0
// What to run in the guest.
#include "cli/spec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/run_options.h"
#include "image/image.h"

#include <string.h>
#include <sys/resource.h>

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TERM_DEFAULT "TERM=xterm"

/* Open files of a process, as under docker: programs that walk through all numbers up to the soft
 * limit stay quick, servers may raise it. */
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288

/* hull-vmm chooses the ports; what there is of streams shall have some. */
#define PORT_ANY 1

static int spec_add_all(struct strlist *list, char *const *items)
{
	int r = 0;

	for (; *items && !r; items++)
		r = strlist_add(list, *items);
	return r;
}

static int spec_args(
	struct spec *spec, const struct run_options *options, const struct image_config *config)
{
	bool entrypoint_given = options->entrypoint && *options->entrypoint;
	int r = 0;

	if (entrypoint_given)
		r = strlist_add(&spec->args, options->entrypoint);
	else if (!options->entrypoint)
		r = spec_add_all(&spec->args, config->entrypoint);
	if (r < 0)
		return r;
	if (*options->command)
		return spec_add_all(&spec->args, options->command);
	return entrypoint_given ? 0 : spec_add_all(&spec->args, config->cmd);
}

static int spec_set_all(struct strlist *env, char *const *items)
{
	int r = 0;

	for (; items && *items && !r; items++)
		if (strchr(*items, '='))
			r = strlist_set_env(env, *items);
	return r;
}

static int spec_env(struct spec *spec, const struct run_options *options,
	const struct image_config *config, const char *hostname)
{
	char hostname_env[sizeof("HOSTNAME=") + AGENT_HOSTNAME_MAX];
	int r;

	snprintf(hostname_env, sizeof(hostname_env), "HOSTNAME=%s", hostname);
	r = strlist_add(&spec->env, PATH_DEFAULT);
	if (!r)
		r = strlist_add(&spec->env, hostname_env);
	if (!r && options->tty)
		r = strlist_add(&spec->env, TERM_DEFAULT);
	if (!r)
		r = spec_set_all(&spec->env, config->env);
	if (!r)
		r = spec_set_all(&spec->env, options->file_env.items);
	if (!r)
		r = spec_set_all(&spec->env, options->env.items);
	return r;
}

static int spec_workdir(struct spec *spec, const struct run_options *options,
	const struct image_config *config, struct err *err)
{
	const char *dir = options->workdir ? options->workdir : config->working_dir;

	if (!*dir)
		dir = "/";
	if (dir[0] != '/' || strlen(dir) > AGENT_CWD_MAX)
		return err_set(err, -EINVAL,
			"image %s: its working directory \"%s\" is not an absolute path",
			options->image, dir);
	spec->agent.cwd = dir;
	return 0;
}

static int spec_user(struct spec *spec, const struct run_options *options,
	const struct image_config *config, struct err *err)
{
	const char *user = options->user ? options->user : config->user;

	if (strlen(user) > AGENT_USER_MAX)
		return err_set(err, -EINVAL, "image %s: its user name is longer than %u bytes",
			options->image, AGENT_USER_MAX);
	spec->agent.user = user;
	return 0;
}

static void spec_streams(struct agent_spec *agent, const struct run_options *options)
{
	agent->terminal = options->tty;
	if (options->tty) {
		agent->tty_port = PORT_ANY;
		return;
	}
	if (options->interactive)
		agent->stdin_port = PORT_ANY;
	agent->stdout_port = PORT_ANY + 1;
	agent->stderr_port = PORT_ANY + 2;
}

/* Does it fit the one frame that carries it? Better said now than when the VM is up. */
static int spec_fits(const struct spec *spec, struct err *err)
{
	struct buf buf = BUF_INIT(AGENT_FRAME_MAX + AGENT_HEADER_SIZE);
	int r = agent_encode_spec(&buf, 0, &spec->agent);

	buf_fini(&buf);
	if (r == -EMSGSIZE)
		return err_set(err, r,
			"the command and its environment are too large: more than %u KiB",
			AGENT_FRAME_MAX / 1024);
	if (r < 0)
		return err_errno(err, -r, "the command and its environment");
	return 0;
}

int spec_build(const struct run_options *options, const struct image_config *config,
	const char *hostname, struct spec *ret, struct err *err)
{
	int r;

	*ret = (struct spec){.agent.hostname = hostname};
	r = spec_args(ret, options, config);
	if (!r)
		r = spec_env(ret, options, config, hostname);
	if (r < 0)
		return err_errno(err, -r, "the command and its environment");
	if (!ret->args.count)
		return err_set(err, -EINVAL,
			"image %s names no command of its own: give one behind it", options->image);
	ret->agent.args = ret->args.items;
	ret->agent.env = ret->env.items;
	r = spec_workdir(ret, options, config, err);
	if (!r)
		r = spec_user(ret, options, config, err);
	if (r < 0)
		return r;
	if (options->read_only)
		ret->agent.root = AGENT_ROOT_READONLY;
	else if (options->disk)
		ret->agent.root = AGENT_ROOT_DISK;
	ret->agent.pids_max = (uint32_t)options->limits.pids;
	spec_streams(&ret->agent, options);
	ret->agent.rlimits[0] = (struct agent_rlimit){RLIMIT_NOFILE, NOFILE_SOFT, NOFILE_HARD};
	ret->agent.n_rlimits = 1;
	return spec_fits(ret, err);
}

void spec_fini(struct spec *spec)
{
	strlist_fini(&spec->args);
	strlist_fini(&spec->env);
}

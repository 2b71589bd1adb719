/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"
#include "ktctl/table_rows.h"

#define TTL_ROW                                                                \
	{                                                                      \
		"ttl", 0, VALUE_DURATION, "8h", "TIME",                        \
			"how long the environment lives from now on; 0, with " \
			"--force: until it is deleted",                        \
			ENV(ttl), .min = 0, .max = 31536000, .no_config = true \
	}
#define TLS_SECRET_ROW                                                         \
	{                                                                      \
		"tlsSecret", 0, VALUE_STRING, "", "NAME",                      \
			"the Service's router ends TLS with the certificate "  \
			"of this Secret, and begins it again behind it",       \
			ENV(tls_secret), .is_name = true, .no_config = true    \
	}
#define ENV_FORCE_ROW(text)                                                    \
	{                                                                      \
		"force", 0, VALUE_BOOL, "false", NULL, text, ENV(in.force),    \
			.no_config = true                                      \
	}

/* clang-format off */
static const struct option env_create_options[] = {
	{ "parent", 0, VALUE_STRING, "", "NAME",
	  "the environment that answers where this one has no member",
	  ENV(parent), .is_name = true, .no_config = true },
	TTL_ROW,
	{ "strict", 0, VALUE_BOOL, "false", NULL,
	  "a member that is down is an error (503), not answered by others",
	  ENV(strict), .no_config = true },
	{ "header", 0, VALUE_HEADER, "", "NAME",
	  "requests are an environment's by this header, too; one for all in the "
	  "namespace",
	  ENV(header) },
	ENV_FORCE_ROW("with --ttl 0: an environment without an end"),
	{ 0 },
};

static const struct option env_output_options[] = {
	OUTPUT_ROW(ENV(output)),
	{ 0 },
};

static const struct option env_extend_options[] = {
	TTL_ROW,
	ENV_FORCE_ROW("also another user's; with --ttl 0: without an end"),
	{ 0 },
};

static const struct option env_force_options[] = {
	ENV_FORCE_ROW("also what another user has made"),
	{ 0 },
};

static const struct option env_join_options[] = {
	{ "local", 0, VALUE_EXPOSE, "", "[LOCAL:]PORT,...",
	  "the member is a program of this machine; LOCAL is its port here, "
	  "PORT the Service's",
	  ENV(in.expose), .no_config = true },
	{ "image", 0, VALUE_IMAGE_OF, "", "[CONTAINER=]IMAGE",
	  "the member is a copy of the Service's workload with this image",
	  ENV(image), .no_config = true },
	{ "set", 0, VALUE_SETTINGS, "", "K=V",
	  "with --image: an environment variable of the copy; can be repeated",
	  ENV(set), .no_config = true, .repeats = '\n' },
	{ "envFrom", 0, VALUE_ENV_FROM, "", "KIND/NAME,...",
	  "with --image: more variables of the copy, of configmap/NAME or "
	  "secret/NAME",
	  ENV(env_from), .no_config = true },
	{ "replicas", 0, VALUE_INT, "1", "N", "with --image: Pods of the copy",
	  ENV(replicas), .min = 1, .max = 100, .no_config = true },
	{ "idle", 0, VALUE_DURATION, "0", "TIME",
	  "with --image: without a request for so long the copy goes to 0 Pods; "
	  "the next request waits until it is back; 0: never",
	  ENV(idle), .min = 0, .max = 31536000, .no_config = true },
	{ "wakeTimeout", 0, VALUE_DURATION, "60s", "TIME",
	  "with --idle: how long a request may wait for it",
	  ENV(wake_timeout), .min = 1, .max = 600, .no_config = true },
	{ "onJoin", 0, VALUE_HOOK, "", "IMAGE|/PROGRAM [ARG...]",
	  "with --image: runs before the copy, as a Job; lines K=V that it "
	  "writes to $KT_OUTPUT are variables of the copy",
	  ENV(on_join), .no_config = true },
	{ "onDelete", 0, VALUE_HOOK, "", "IMAGE|/PROGRAM [ARG...]",
	  "with --image: runs when the member has gone", ENV(on_delete),
	  .no_config = true },
	{ "selector", 0, VALUE_LABELS, "", "K=V,...",
	  "the members are the Pods with these labels", ENV(selector),
	  .no_config = true },
	{ "service", 0, VALUE_STRING, "", "NAME",
	  "the member is another Service", ENV(service), .is_name = true,
	  .no_config = true },
	TLS_SECRET_ROW,
	ENV_FORCE_ROW("also in place of another user's member"),
	JOB_ROWS(ENV),
	SESSION_ROWS,
	{ 0 },
};

static const struct option env_apply_options[] = {
	{ "file", 'f', VALUE_STRING, "", "FILE",
	  "what is wanted; - for stdin", ENV(file), .no_config = true },
	{ "dry-run", 0, VALUE_BOOL, "false", NULL,
	  "only show the commands that it would run", ENV(dry_run),
	  .no_config = true },
	{ "dryRun", 0, VALUE_BOOL, "false", NULL, "as --dry-run",
	  ENV(dry_run), .hidden = true, .no_config = true },
	ENV_FORCE_ROW("also what another user has made; ttl: 0"),
	{ 0 },
};

static const struct option env_init_options[] = {
	{ "clusterDomain", 0, VALUE_DOMAIN, "cluster.local", "DOMAIN",
	  "DNS suffix of the cluster", ENV(cluster_domain), .not_empty = true,
	  .no_config = true },
	TLS_SECRET_ROW,
	{ 0 },
};

static const struct option env_open_options[] = {
	KEEP_ROW(FORWARD),
	SESSION_ROWS,
	{ 0 },
};

static const struct option env_check_options[] = {
	{ "path", 0, VALUE_STRING, "/", "PATH",
	  "what the probe asks for: a path that has the Service call others",
	  ENV(path), .not_empty = true, .no_config = true },
	{ "timeout", 't', VALUE_DURATION, "10s", "TIME",
	  "how long its answer is waited for", ENV(timeout), .min = 1,
	  .max = 3600, .no_config = true },
	{ "routers", 0, VALUE_BOOL, "false", NULL,
	  "Services that have no router get one for the time of the check",
	  ENV(routers), .no_config = true },
	OUTPUT_ROW(ENV(output)),
	{ 0 },
};

static const struct option env_share_options[] = {
	{ "gateway", 0, VALUE_GATEWAY, "", "[NAMESPACE/]NAME",
	  "the Gateway that the host's callers come by; without it that of the "
	  "Service's HTTPRoutes, or the only one of the namespace",
	  ENV(gateway), .no_config = true },
	{ "ingressClass", 0, VALUE_STRING, "", "NAME",
	  "by an Ingress of this class, also where there is Gateway API; without "
	  "it that of the Service's Ingresses, or the cluster's default",
	  ENV(ingress_class), .is_name = true, .no_config = true },
	{ "stop", 0, VALUE_BOOL, "false", NULL,
	  "the host leads there no longer", ENV(stop), .no_config = true },
	ENV_FORCE_ROW("also a host that another user has shared"),
	{ 0 },
};
/* clang-format on */

const struct command env_commands[] = {
	{
		.name = "env",
		.summary =
			"environments: one for each change, beside the trunk",
		.args = "",
		.details = "An environment holds only what it changes: "
			   "requests with its mark go to its members, all "
			   "others to the trunk.",
	},
	{
		.name = "env create",
		.summary = "make one; nothing runs yet",
		.args = "<name>",
		.options = env_create_options,
		.group = "env",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_create,
	},
	{
		.name = "env join",
		.summary = "put a member into it: this machine, an image, "
			   "other Pods",
		.args = "<name> <service>",
		.options = env_join_options,
		.min_args = 2,
		.max_args = 2,
		.loop = true,
		.session = true,
		.run = command_env_join,
	},
	{
		.name = "env leave",
		.summary = "take a member out of it",
		.args = "<name> <service>",
		.options = env_force_options,
		.min_args = 2,
		.max_args = 2,
		.loop = true,
		.run = command_env_leave,
	},
	{
		.name = "env open",
		.summary = "a port of this machine that leads to a Service "
			   "through it",
		.args = "<name> <service> [[<local>:]<port>]",
		.options = env_open_options,
		.min_args = 2,
		.max_args = 3,
		.loop = true,
		.session = true,
		.run = command_env_open,
	},
	{
		.name = "env run",
		.summary = "a program whose HTTP requests to the cluster are "
			   "the environment's",
		.args = "<name> [<workload>] -- <program> [<argument>...]",
		.details = "As 'ktctl run', without root: the program is in "
			   "the cluster's network. Its requests that name\n"
			   "no environment get the mark of this one. The exit "
			   "status is the program's.",
		.options = &run_options[1],
		.group = "run",
		.min_args = 2,
		.max_args = MAX_ARGS,
		.loop = true,
		.session = true,
		.run = command_env_run,
	},
	{
		.name = "env check",
		.summary = "where does its mark get lost?",
		.args = "<name> [<service>]",
		.details = "Sends a request with the mark and a trace of its "
			   "own to the Service, or to each that has a member, "
			   "and tells what came to the routers.",
		.options = env_check_options,
		.min_args = 1,
		.max_args = 2,
		.loop = true,
		.run = command_env_check,
	},
	{
		.name = "env events",
		.summary = "its requests, at all routers, or whether those "
			   "come that are expected",
		.args = "<name>",
		.options = events_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_events,
	},
	{
		.name = "env share",
		.summary = "a host name whose requests are the environment's",
		.args = "<name> <host> [<service>]",
		.details = "Makes an HTTPRoute at a Gateway that is there "
			   "(Gateway API), else an Ingress and a Pod that "
			   "marks: for testers, who need no header.",
		.options = env_share_options,
		.min_args = 2,
		.max_args = 3,
		.loop = true,
		.run = command_env_share,
	},
	{
		.name = "env apply",
		.summary = "make an environment as a file says",
		.args = "-f <file>",
		.details = "Creates it, or extends it by the file's ttl; joins "
			   "the members that are missing or differ; leaves "
			   "those that the file does not name.",
		.options = env_apply_options,
		.loop = true,
		.run = command_env_apply,
	},
	{
		.name = "env export",
		.summary = "an environment as a file for env apply",
		.args = "<name>",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_export,
	},
	{
		.name = "env list",
		.summary = "the environments of the namespace",
		.args = "",
		.options = env_output_options,
		.loop = true,
		.run = command_env_list,
	},
	{
		.name = "env show",
		.summary = "one of them, with its members",
		.args = "<name>",
		.options = env_output_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_show,
	},
	{
		.name = "env extend",
		.summary = "let it live longer",
		.args = "<name>",
		.options = env_extend_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_extend,
	},
	{
		.name = "env init",
		.summary = "manifests of Services with a router that stays, "
			   "for Git",
		.args = "<service>...",
		.options = env_init_options,
		.min_args = 1,
		.max_args = MAX_ARGS,
		.loop = true,
		.run = command_env_init,
	},
	{
		.name = "env delete",
		.summary = "end it, and all that is its",
		.args = "<name>",
		.options = env_force_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_delete,
	},
	{ .more = other_commands },
};

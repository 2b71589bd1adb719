/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_TABLE_ROWS_H
#define KT_KTCTL_TABLE_ROWS_H

#include "cli/command.h"
#include "cli/options.h"

/**
 * DOC: Rows that several commands share
 *
 * For the files of the command table: where an option's value goes, and the
 * rows of options that are the same in several commands.
 */

/** output_forms - of OUTPUT_ROW */
extern const char *const output_forms[];
/** events_options - of "events" and "env events" */
extern const struct option events_options[];
/** run_options - of "run"; those of "env run" are from the second on, as it has
 *  the environment in its arguments */
extern const struct option run_options[];
/** env_file_options - of "env-file" */
extern const struct option env_file_options[];
/** compose_options - of "compose" */
extern const struct option compose_options[];
/** env_commands - "env" and below it; goes on with the other commands */
extern const struct command env_commands[];
/** other_commands - those behind env */
extern const struct command other_commands[];

#define GLOBAL(field) .offset = offsetof(struct options, global.field)
#define CONNECT(field) .offset = offsetof(struct options, connect.field)
#define RUN(field) .offset = offsetof(struct options, run.field)
#define EXCHANGE(field) .offset = offsetof(struct options, exchange.field)
#define MESH(field) .offset = offsetof(struct options, mesh.field)
#define PREVIEW(field) .offset = offsetof(struct options, preview.field)
#define FORWARD(field) .offset = offsetof(struct options, forward.field)
#define CLEAN(field) .offset = offsetof(struct options, clean.field)
#define CONFIG(field) .offset = offsetof(struct options, config.field)
#define VERSION(field) .offset = offsetof(struct options, version.field)
#define COMPOSE(field) .offset = offsetof(struct options, compose.field)
#define SESSION(field) .offset = offsetof(struct options, session.field)
#define STATUS(field) .offset = offsetof(struct options, status.field)
#define DISCONNECT(field) .offset = offsetof(struct options, disconnect.field)
#define EVENTS(field) .offset = offsetof(struct options, events.field)
#define DOCTOR(field) .offset = offsetof(struct options, doctor.field)
#define IMAGE(field) .offset = offsetof(struct options, image.field)
#define BIRDSEYE(field) .offset = offsetof(struct options, birdseye.field)
#define APPLY(field) .offset = offsetof(struct options, apply.field)
#define ENV(field) .offset = offsetof(struct options, env.field)
#define MAP(field) .offset = offsetof(struct options, map.field)
#define COMPLETION(field) .offset = offsetof(struct options, completion.field)

/* of every command that runs until it is ended; --with 0: with none */
#define SESSION_ROWS                                                           \
	{ "background",                                                        \
	  0,                                                                   \
	  VALUE_BOOL,                                                          \
	  "false",                                                             \
	  NULL,                                                                \
	  "return when all is up, and go on in the background until "          \
	  "'ktctl disconnect'",                                                \
	  SESSION(background),                                                 \
	  .no_config = true },                                                 \
		{ "with",	  0,                                           \
		  VALUE_INT,	  "0",                                         \
		  "PID",	  "end when this process does; 0: with none",  \
		  SESSION(with),  .min = 0,                                    \
		  .max = 4194304, .no_config = true },                         \
	{                                                                      \
		"applied", 0, VALUE_STRING, "", "BY",                          \
			"which file's 'ktctl apply' has started it",           \
			SESSION(applied), .hidden = true, .no_config = true    \
	}

/* of every command whose traffic is this machine's; @S: CONNECT or FORWARD */
#define FAULT_ROW(S)                                                           \
	{                                                                      \
		"fault", 0, VALUE_FAULTS, "none", "FAULT",                     \
			"what shall go wrong with this machine's traffic, "    \
			"TARGET[:PORT] EFFECT...: latency=200ms, "             \
			"jitter=50ms, "                                        \
			"rate=1m, refuse, reset, drop, percent=10; can be "    \
			"repeated",                                            \
			S(faults), .no_config = true, .repeats = ';'           \
	}

/* of every command whose connections outlive the network; @S: likewise */
#define KEEP_ROW(S)                                                            \
	{                                                                      \
		"keep", 0, VALUE_DURATION, "10m", "TIME",                      \
			"how long open connections wait when the network, "    \
			"the API server or this machine is away",              \
			S(keep), .min = 1, .max = 86400                        \
	}

#define SHADOWS_ROW(S)                                                         \
	{                                                                      \
		"shadows", 0, VALUE_INT, "1", "1|2",                           \
			"2: a second shadow Pod stands by, on another node "   \
			"where there is one",                                  \
			S(shadows), .min = 1, .max = 2                         \
	}

/* of every command that brings traffic here; @S: EXCHANGE, MESH or PREVIEW */
#define EXPOSE_ROW(S)                                                          \
	{                                                                      \
		"expose", 0, VALUE_EXPOSE, "", "PORT,...",                     \
			"what is exposed: PORT, or LOCAL:REMOTE with a local " \
			"port and a "                                          \
			"port of the Service, its target or its name; /udp "   \
			"behind it for UDP",                                   \
			S(in.expose)                                           \
	}
#define FORCE_ROW(S)                                                           \
	{                                                                      \
		"force", 0, VALUE_BOOL, "false", NULL,                         \
			"also a headless Service that gives its Pods names "   \
			"(db-0.db), which "                                    \
			"nobody can resolve meanwhile",                        \
			S(in.force)                                            \
	}
#define JOB_ROWS(S)                                                            \
	{ "skipPortChecking",                                                  \
	  0,                                                                   \
	  VALUE_BOOL,                                                          \
	  "false",                                                             \
	  NULL,                                                                \
	  "do not mind that nothing listens on the local port yet",            \
	  S(in.skip_port_checking) },                                          \
		{ "program",                                                   \
		  0,                                                           \
		  VALUE_INT,                                                   \
		  "0",                                                         \
		  "FD",                                                        \
		  "the program is one that 'ktctl run' has started",           \
		  S(in.program),                                               \
		  .min = 0,                                                    \
		  .max = 1048576,                                              \
		  .hidden = true,                                              \
		  .no_config = true },                                         \
	{                                                                      \
		"graceTime", 0, VALUE_INT, "10", "SECONDS",                    \
			"how long requests may take to end when you leave, "   \
			"and how long a "                                      \
			"lost connection keeps its rules",                     \
			S(in.grace_time), .min = 0, .max = 86400               \
	}

/* of connect, and of run, which is connect in another place */
#define SHADOW_ROW                                                             \
	{                                                                      \
		"shadow", 0, VALUE_STRING, "", "NAME",                         \
			"use this Pod, or a Pod of deployment/NAME, that an "  \
			"administrator "                                       \
			"made; nothing is made, and nothing else asked of "    \
			"the cluster",                                         \
			CONNECT(shadow)                                        \
	}
#define MARK_ROW                                                               \
	{                                                                      \
		"env", 0, VALUE_STRING, "", "NAME",                            \
			"HTTP requests to the cluster are marked as this "     \
			"environment's",                                       \
			CONNECT(env), .is_name = true                          \
	}
#define CLUSTER_DOMAIN_ROW                                                     \
	{                                                                      \
		"clusterDomain", 0, VALUE_DOMAIN, "cluster.local", "DOMAIN",   \
			"DNS suffix of the cluster", CONNECT(cluster_domain),  \
			.not_empty = true                                      \
	}
#define SKIP_CLEANUP_ROW                                                       \
	{                                                                      \
		"skipCleanup", 0, VALUE_BOOL, "false", NULL,                   \
			"leave expired objects of others alone at the start",  \
			CONNECT(skip_cleanup)                                  \
	}

/* of run and env-file: which container, and what of its environment.
 * @CONFIG: .no_config */
#define CONTAINER_ROW                                                          \
	{                                                                      \
		"container", 0, VALUE_STRING, "", "NAME",                      \
			"which container of the Pod; without it the one that " \
			"the Pod names, else the first",                       \
			RUN(pod.container), .is_name = true, .no_config = true \
	}
#define ENV_INCLUDE_ROW(CONFIG)                                                \
	{                                                                      \
		"envInclude", 0, VALUE_VARIABLES, "", "NAME,...",              \
			"of the Pod's variables only these; * stands for any " \
			"characters",                                          \
			RUN(pod.include), .no_config = CONFIG                  \
	}
#define ENV_EXCLUDE_ROW(CONFIG)                                                \
	{                                                                      \
		"envExclude", 0, VALUE_VARIABLES, "", "NAME,...",              \
			"of the Pod's variables not these; * stands for any "  \
			"characters",                                          \
			RUN(pod.exclude), .no_config = CONFIG                  \
	}
#define ENV_SET_ROW                                                            \
	{                                                                      \
		"envSet", 0, VALUE_SETTINGS, "", "K=V",                        \
			"one more variable; can be repeated", RUN(pod.set),    \
			.no_config = true, .repeats = '\n'                     \
	}
#define ENV_FILE_ROW                                                           \
	{                                                                      \
		"envFile", 0, VALUE_STRING, "", "FILE",                        \
			"more variables, lines of NAME=VALUE", RUN(pod.file),  \
			.no_config = true                                      \
	}

#define OUTPUT_ROW(field)                                                      \
	{                                                                      \
		"output", 'o', VALUE_CHOICE, "text", "FORM",                   \
			"how it is written: text or json",                     \
			.choices = output_forms, field, .no_config = true,     \
	}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_APP_H
#define KT_CLI_APP_H

#include "base/error.h"

#include <stddef.h>

struct background;
struct control;
struct home;
struct loop;
struct options;
struct progress;
struct signals;

/** Exit statuses of ktctl; every command function returns one of them. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_RUN = 125, /* of run: the program was not tried */
	EXIT_INTERRUPTED = 130,
};

/**
 * struct app - what main() lends to a command
 *
 * loop, progress and signals are there for commands whose row says
 * `.loop = true` (INT, TERM, HUP and QUIT then interrupt the loop), else NULL.
 */
struct app {
	struct loop *loop;
	struct progress *progress;
	struct signals *signals;
	const struct home *home;       /* ~/.kt */
	const struct options *options; /* all of them */
	/* of a command whose row says `.session = true`, or NULL */
	struct control *control;
	struct background *background;
	/* of descriptors 0 to 2 those that our caller had closed, a bit each */
	unsigned int closed;
	/* 0, or the signal that the exit status stands for: we die of it */
	int die_of;
};

/** app_ready() - a session has said that all looks good: "status" says so, too,
 *  and what was started with --background goes there */
void app_ready(const struct app *app);
/** app_leave_how() - how to leave it: a sentence, for that line */
const char *app_leave_how(const struct app *app, char *dst, size_t size);

/**
 * app_fail() - tell the user why the command ends, on stderr
 *
 *	ktctl: <object: failed act: reason>
 *	hint: <what to do>
 *
 * An interrupted command (-EINTR after a signal) says only that it was.
 * Return: EXIT_FAILED or EXIT_INTERRUPTED.
 */
int app_fail(const struct app *app, int rc, const struct kt_error *err);

/** app_usage() - the same for a wrong command line; returns EXIT_USAGE */
int app_usage(const struct app *app, const struct kt_error *err);

/* The commands, one file each. */
int command_connect(struct app *app, const struct options *o);
int command_run(struct app *app, const struct options *o);
int command_compose(struct app *app, const struct options *o);
int command_env_file(struct app *app, const struct options *o);
int command_exchange(struct app *app, const struct options *o);
int command_mesh(struct app *app, const struct options *o);
int command_preview(struct app *app, const struct options *o);
int command_forward(struct app *app, const struct options *o);
int command_clean(struct app *app, const struct options *o);
int command_recover(struct app *app, const struct options *o);
int command_apply(struct app *app, const struct options *o);
int command_birdseye(struct app *app, const struct options *o);
int command_map(struct app *app, const struct options *o);
int command_env_create(struct app *app, const struct options *o);
int command_env_apply(struct app *app, const struct options *o);
int command_env_export(struct app *app, const struct options *o);
int command_env_check(struct app *app, const struct options *o);
int command_env_share(struct app *app, const struct options *o);
int command_env_events(struct app *app, const struct options *o);
int command_env_list(struct app *app, const struct options *o);
int command_env_show(struct app *app, const struct options *o);
int command_env_extend(struct app *app, const struct options *o);
int command_env_delete(struct app *app, const struct options *o);
int command_env_init(struct app *app, const struct options *o);
int command_env_join(struct app *app, const struct options *o);
int command_env_leave(struct app *app, const struct options *o);
int command_env_open(struct app *app, const struct options *o);
int command_env_run(struct app *app, const struct options *o);
int command_doctor(struct app *app, const struct options *o);
int command_image_export(struct app *app, const struct options *o);
int command_image_push(struct app *app, const struct options *o);
int command_status(struct app *app, const struct options *o);
int command_events(struct app *app, const struct options *o);
int command_disconnect(struct app *app, const struct options *o);
int command_config_show(struct app *app, const struct options *o);
int command_config_get(struct app *app, const struct options *o);
int command_config_set(struct app *app, const struct options *o);
int command_config_unset(struct app *app, const struct options *o);
int command_config_list_profile(struct app *app, const struct options *o);
int command_config_save_profile(struct app *app, const struct options *o);
int command_config_load_profile(struct app *app, const struct options *o);
int command_config_drop_profile(struct app *app, const struct options *o);
int command_help(struct app *app, const struct options *o);
int command_version(struct app *app, const struct options *o);
int command_completion(struct app *app, const struct options *o);
int command_names(struct app *app, const struct options *o);
int command_complete(struct app *app, const struct options *o);

#endif

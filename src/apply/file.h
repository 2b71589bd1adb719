/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_FILE_H
#define KT_APPLY_FILE_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: What a machine wants
 *
 *     apiVersion: ktctl/v1
 *     name: shop                   # what it is called in messages
 *     context: dev                 # any global flag, for all
 *     connect: {shareShadow: true} # or true, or false
 *     forward:
 *       - {target: db.prod, ports: ["5432"]}
 *       - web 8080                 # the words of a command line
 *     exchange:
 *       - {service: orders, expose: "8080:80"}
 *     mesh: [...]
 *     preview: [...]
 *     run: [npm, run, dev]
 *
 * A job's keys are its command's flags and the global ones, by their names in
 * the option table (cli/command.h), and its words. Values are taken by the
 * same validators as a command line's; then the whole command line is parsed
 * as it will be when the job is started. Pure, but for environment and
 * configuration, which say what a command line does not.
 */

#define APPLY_VERSION "ktctl/v1"
#define APPLY_ITEMS_MAX 64
#define APPLY_DIGEST_LEN 17 /* with the NUL */

struct command;
struct config;
struct given;

/** struct apply_item - one job */
struct apply_item {
	const struct command *command;
	int line;
	char *key;	   /* "forward db.prod": what stays when it changes */
	char *label;	   /* "forward db.prod 5432": as it is shown */
	struct strv flags; /* "--namespace=shop", in the table's order */
	struct strv args;
	char *context;	  /* of the kubeconfig, or NULL: the current one */
	char *kubeconfig; /* its files, or NULL: where they always are */
	/* connect: what it needs of the machine */
	bool captures, device;
	char digest[APPLY_DIGEST_LEN]; /* of command, flags and arguments */
};

struct apply_file {
	char *name;
	struct apply_item *item; /* in the order in which they are started */
	size_t n;
	struct strv run; /* the command to run, or empty */
};

/** struct apply_source - where a file comes from; borrowed */
struct apply_source {
	const char *shown;	   /* its name, for messages */
	const char *name;	   /* when it has none of its own */
	const struct given *flags; /* of apply's command line; global ones win
				      over the file's */
	size_t nflags;
	const char *dir, *here;	  /* of the file, and where apply was called:
				     what relative paths begin at */
	const struct config *cfg; /* or NULL */
};

/** apply_file_parse() - 0, or -EINVAL (-EFBIG) with @err; apply_file_fini() in
 *  either case */
KT_CHECK int apply_file_parse(struct apply_file *f, const char *text,
			      size_t len, const struct apply_source *src,
			      struct kt_error *err);
void apply_file_fini(struct apply_file *f);

/** apply_key(), apply_label() - the names of a job; returned, caller frees */
char *apply_key(const char *command, const struct strv *args);
char *apply_label(const char *command, const struct strv *args);

#endif

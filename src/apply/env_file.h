/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_ENV_FILE_H
#define KT_APPLY_ENV_FILE_H

#include "base/error.h"
#include "base/str.h"
#include "wire/envmark.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: An environment as a file
 *
 *     apiVersion: ktctl/v1
 *     environment: dev.pr-42       # its whole name
 *     ttl: 8h                      # from each apply on
 *     strict: true
 *     header: x-tenant             # env create --header
 *     members:
 *       orders: {image: "registry/orders:pr-42", set: {TOPIC: "o-{{env}}"}}
 *       web: {selector: {app: web, track: canary}}
 *       api: {service: api-next}
 *
 * A member's keys are flags of `env join`, checked as on its command line. One
 * on somebody's machine is not in a file. Read as strictly as apply's own file
 * (apply/reader.h). Pure.
 */

struct env_file {
	char *name;
	char *ttl;    /* as it was written, or NULL */
	char *header; /* or NULL */
	bool strict;
	json_t *members; /* SERVICE: spec, see env/spec.h */
	json_t *flags;	 /* SERVICE: ["--image=..."], in the table's order */
};

/** env_file_parse() - @shown: the file's name, for messages. 0, or -EINVAL
 *  (-EFBIG) with @err; env_file_fini() in either case */
KT_CHECK int env_file_parse(struct env_file *f, const char *text, size_t len,
			    const char *shown, struct kt_error *err);
void env_file_fini(struct env_file *f);

/** struct env_state - what there is; borrowed */
struct env_state {
	bool exists, strict;
	char header[ENVMARK_HEADER_MAX]; /* "": none */
	const json_t *members;		 /* env_spec_all() */
	const char *user;		 /* who asks */
	bool force;
};

/**
 * env_file_plan() - array of command lines, each an array of words behind
 * "ktctl" (returned, caller decrefs), that make it so: create or extend, join
 * what is new or differs, leave what the file does not have. Members on
 * somebody's machine, and those of others unless @state->force, are let alone.
 * @notes: what was let alone, added. NULL with @err: it cannot be made so.
 */
json_t *env_file_plan(const struct env_file *f, const struct env_state *state,
		      struct strv *notes, struct kt_error *err);

#endif

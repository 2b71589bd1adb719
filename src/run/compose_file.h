/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_COMPOSE_FILE_H
#define KT_RUN_COMPOSE_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

/**
 * DOC: Services of a compose file, in the cluster
 *
 * A service gets a sidecar, as a container of a Pod would have it: another
 * service that runs "ktctl connect", whose network it shares. So what is of the
 * network moves from the service to the sidecar, and the engine refuses it in
 * both: ports, networks, the host name, name servers. The service's name is an
 * alias of the sidecar: others find it where they did.
 *
 * What is written is either an override, the second file of a command line,
 * where "!reset" takes a key of the first one away (Compose 2.24), or the whole
 * file as it is then, which any version reads. The tree is that of
 * yaml_parse(): merge keys are resolved, variables (${NAME}) are not. Pure.
 */

/** struct compose_join - one service and its sidecar */
struct compose_join {
	char *service, *sidecar; /* their names */
	json_t *added;		 /* keys and values, to the service's */
	json_t *beside;		 /* the sidecar */
	struct strv moved;	 /* keys that the service loses */
};

/** compose_services() - the names in @doc, into @out, which is empty; 0, or
 *  -EINVAL with @err: it is no compose file. @name: of it, for messages */
KT_CHECK int compose_services(const json_t *doc, const char *name,
			      struct strv *out, struct kt_error *err);
/**
 * compose_join_make() - after compose_services()
 * @sidecar: what is the same in all of them
 * @vars: "NAME=VALUE" for the service, but those that it sets itself; what is
 * not UTF-8 is left out, and its name goes into @left_out
 * Return: 0, or -EINVAL with @err: the service is not there, or cannot have
 * one; compose_join_fini() in any case.
 */
KT_CHECK int compose_join_make(struct compose_join *j, const json_t *doc,
			       const char *service, const json_t *sidecar,
			       const struct strv *vars, struct strv *left_out,
			       struct kt_error *err);
void compose_join_fini(struct compose_join *j);

/** compose_resets() - the override takes something away: not for every version
 */
bool compose_resets(const struct compose_join *j, size_t n);
/** compose_override() - append it; 0, or -errno */
KT_CHECK int compose_override(struct buf *b, const struct compose_join *j,
			      size_t n);
/** compose_whole() - append @doc with its services changed; 0, or -errno */
KT_CHECK int compose_whole(struct buf *b, const json_t *doc,
			   const struct compose_join *j, size_t n);

/** compose_text() - @text as a value of a compose file, where a dollar begins a
 *  variable (returned, caller frees) */
char *compose_text(const char *text);

#endif

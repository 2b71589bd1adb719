/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_ENGINE_H
#define KT_RUN_ENGINE_H

#include "base/error.h"
#include "base/str.h"

/**
 * DOC: A container as the program
 *
 * "ktctl run --engine podman -- IMAGE" runs "podman run --network host IMAGE"
 * in the program's namespaces: the engine's host is what it sees itself, so the
 * container has run's network and resolv.conf, and all that run does for a
 * program it does for the container. Podman has no daemon: what it starts is
 * its child. Without root it needs its own user namespace, of more than one id,
 * above that network: ktctl enters that (a "podman unshare" shows which one it
 * is) and begins anew there, as its root, which needs none of its own. It stays
 * the same process, so signals and the exit status are as ever.
 *
 * Docker's containers are its daemon's, in the daemon's network: run cannot
 * have them, connect does.
 */

struct options;

/** engine_check() - 0, or -EINVAL: it cannot be */
KT_CHECK int engine_check(const struct options *o, struct kt_error *err);
/** engine_enter() - this program anew in the engine's user namespace, where it
 *  needs that; does not return then. 0: we are there; else -errno */
KT_CHECK int engine_enter(const struct options *o, struct kt_error *err);
/** engine_program() - the engine's, or NULL: there is none */
const char *engine_program(const struct options *o);
/** engine_local() - patterns of variables that the engine obeys itself: they
 *  stay this machine's. Ends with NULL. */
const char *const *engine_local(void);
/**
 * engine_words() - the engine's command line, into @out, which is empty
 * @names: of variables that the container gets, with the engine's values
 * @mounts: paths that it has, each with "r" or "w" behind it
 * @args: what the user has written, NULL-terminated
 */
void engine_words(struct strv *out, const struct options *o,
		  const struct strv *names, const struct strv *mounts,
		  char *const *args);

#endif

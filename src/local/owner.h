/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_OWNER_H
#define KT_LOCAL_OWNER_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: Who made it
 *
 * Who runs connect or takes a Service has a file ~/.kt/owner/TOKEN and holds it
 * locked (flock(2)); what it makes in the cluster carries the token in the
 * annotation kt-owner. So a successor on the same machine knows that the
 * process is dead, long before the heartbeat says so: the file is there, and
 * not locked. A token without a file is another machine's, of which nothing is
 * known.
 */

#define KT_ANNOTATION_OWNER "kt-owner"

struct home;
struct owner;

/** owner_new() - a token of our own; NULL with @err */
struct owner *owner_new(const struct home *h, struct kt_error *err);
/** owner_token() - 32 hexadecimal digits; borrowed. NULL: no owner, none */
const char *owner_token(const struct owner *o);
/** owner_leave() - something of its could not be removed: it is one that has
 *  died, whose things others remove. NULL is allowed. */
void owner_leave(struct owner *o);
/** owner_free() - the token means nothing any more; files of the long dead go,
 *  too. NULL is allowed. */
void owner_free(struct owner *o);

/** owner_is_dead() - @token (NULL: unknown) is of a process of this user on
 * this machine that ended without owner_free() */
bool owner_is_dead(const struct home *h, const char *token);
/** owner_any_dead() - is there one at all? */
bool owner_any_dead(const struct home *h);

#endif

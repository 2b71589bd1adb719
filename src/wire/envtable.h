/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_ENVTABLE_H
#define KT_WIRE_ENVTABLE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "wire/envmark.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Table of the environments
 *
 * What a namespace's environments consist of, as every router of the namespace
 * reads it (key ENVTABLE_KEY of the ConfigMap), a line each:
 *
 *     member ENV SERVICE HOST EXPIRES FLAGS [join=LABEL] [source=LABEL]
 *     env ENV SOURCE EXPIRES FLAGS [header=FIELD]
 *
 * ENV answers for SERVICE at HOST: a name that is whole, with its dot, or an
 * address; "-": a laptop does, whose rule comes by its tunnel. SOURCE is the
 * headless Service of the environment's Pods (its first label), or of a
 * member's that are not among these. FIELD names environments, too: of all
 * those that live there is one. EXPIRES is in seconds since 1970, 0: never.
 * FLAGS is a comma list, "-": none; "strict": when the member is down nobody
 * answers in its place. join=LABEL is another for each member that HOST leads
 * to: with a new one, connections of before are not used for new requests.
 * Flags that are not known, words behind them and other kinds of lines are
 * passed over: they are a newer version's. Of two lines about the same the
 * later one counts.
 *
 * Pure: no I/O, no clock.
 */

#define ENVTABLE_KEY "members"
#define ENVTABLE_LINES 8192
#define ENVTABLE_BYTES ((size_t)960 << 10)
#define ENVTABLE_LABEL 64 /* with its NUL */
#define ENVTABLE_HOST 254
#define ENVTABLE_LOCAL "-" /* HOST of a laptop */

enum envtable_kind { ENVTABLE_OTHER, ENVTABLE_MEMBER, ENVTABLE_ENV };

struct envtable_line {
	enum envtable_kind kind;
	char env[ENVMARK_MAX];
	char name[ENVTABLE_LABEL];	 /* SERVICE or SOURCE */
	char host[ENVTABLE_HOST];	 /* MEMBER */
	char join[ENVTABLE_LABEL];	 /* MEMBER; "": it does not say */
	char source[ENVTABLE_LABEL];	 /* MEMBER, "": none */
	char header[ENVMARK_HEADER_MAX]; /* ENV, "": none */
	int64_t expires;
	bool strict;
};

/** envtable_parse_line() - without its LF; 0, or -EINVAL with @err. An empty
 *  one is ENVTABLE_OTHER */
KT_CHECK int envtable_parse_line(struct envtable_line *l, struct slice text,
				 struct kt_error *err);
/** envtable_put_line() - append it, with its LF; 0, -ENOBUFS or -ENOMEM */
KT_CHECK int envtable_put_line(struct buf *out, const struct envtable_line *l);

/** struct envtable_member - what answers for one Service in one environment */
struct envtable_member {
	const char *env, *host, *join; /* borrowed from the table */
	int64_t expires;
	bool strict, local;
	unsigned int next; /* the table's own */
};

struct envtable;

/** envtable_drop_fn - line @n (from 1) is malformed, and passed over */
typedef void envtable_drop_fn(void *user, size_t n, const char *why);

/** envtable_new() - what @text says of @service; @drop: NULL is allowed.
 *  NULL: memory */
struct envtable *envtable_new(struct slice text, const char *service,
			      envtable_drop_fn *drop, void *user);
void envtable_free(struct envtable *t);

/** envtable_find() - the member of the environment @name itself that has not
 *  expired at @now (seconds since 1970); NULL: none */
const struct envtable_member *envtable_find(const struct envtable *t,
					    const char *name, int64_t now);
/** envtable_is_strict() - the environment @name wants no other answers; it has
 *  not expired at @now */
bool envtable_is_strict(const struct envtable *t, const char *name,
			int64_t now);
/**
 * envtable_source() - the environment whose Pods are behind Service @label: a
 * SOURCE, or the first label of a member's HOST, of whatever Service. Of the
 * latter not every name server tells: it is no headless Service's.
 * NULL: none that has not expired, or more than one
 */
const char *envtable_source(const struct envtable *t, struct slice label,
			    int64_t now);
/** envtable_has_sources() - envtable_source() can be of use */
bool envtable_has_sources(const struct envtable *t);

/** envtable_header() - HEADER of the first environment that has one and has not
 *  expired; NULL: none */
const char *envtable_header(const struct envtable *t, int64_t now);

/** envtable_at() - member @i of envtable_count(), also those that have expired
 */
const struct envtable_member *envtable_at(const struct envtable *t, size_t i);
size_t envtable_count(const struct envtable *t);
/** envtable_next_expiry() - of a member, after @now; 0: none */
int64_t envtable_next_expiry(const struct envtable *t, int64_t now);

#endif

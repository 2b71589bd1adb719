/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_CLIENTLINE_H
#define KT_WIRE_CLIENTLINE_H

#include "base/buf.h"
#include "base/error.h"
#include "wire/rule.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: Who is with a shadow
 *
 * The shadow answers GET CLIENTLINE_PATH on its health port with lines of text,
 * to callers from its Pod's own loopback only, where a port-forward comes from:
 *
 *     shadow VERSION
 *     client out STATE            uses the cluster through the shadow
 *     client in STATE USER        serves callers of the shadow's ports
 *     rule PORT[/udp] MATCH       of the client above (wire/rule.h)
 *     who COMMAND USER MACHINE    the client above, as it says of itself
 *
 * STATE is "here", or for how many seconds its carrier is lost. Words are
 * written as those of a rule. Lines that are not known are passed over.
 */

#define CLIENTLINE_PATH "/.well-known/ktctl/clients"
#define CLIENTLINE_TEXT_MAX ((size_t)64 * 1024) /* of a whole answer */
#define CLIENTLINE_WORD_MAX 128
#define CLIENTLINE_WHO_MAX 256
#define CLIENTLINE_HERE (-1L)

enum clientline_kind {
	CLIENTLINE_OTHER,
	CLIENTLINE_SHADOW,
	CLIENTLINE_CLIENT,
	CLIENTLINE_RULE,
	CLIENTLINE_WHO,
};

struct clientline {
	enum clientline_kind kind;
	char word[CLIENTLINE_WORD_MAX]; /* version, user */
	char command[CLIENTLINE_WORD_MAX], machine[CLIENTLINE_WORD_MAX];
	bool inbound;
	long away; /* seconds, or CLIENTLINE_HERE */
	struct rule rule;
};

/** clientline_parse() - one line without its LF; 0, or -errno with @err */
KT_CHECK int clientline_parse(struct clientline *l, const char *line,
			      struct kt_error *err);

/** clientline_put_*() - append; 0, -ENOBUFS, -ENOMEM or -EMSGSIZE */
KT_CHECK int clientline_put_shadow(struct buf *out, const char *version);
/** @user: of one that is inbound, else NULL */
KT_CHECK int clientline_put_client(struct buf *out, long away,
				   const char *user);
KT_CHECK int clientline_put_rule(struct buf *out, const struct rule *rule);
/** @who: of clientline_who(), as a client has said it: -EINVAL, when it is none
 */
KT_CHECK int clientline_put_who(struct buf *out, const char *who);

/** clientline_who() - "COMMAND USER MACHINE" into @dst; "" when it is too long
 *  for that; returns @dst */
const char *clientline_who(char dst[CLIENTLINE_WHO_MAX], const char *command,
			   const char *user, const char *machine);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_ENVMARK_H
#define KT_WIRE_ENVMARK_H

#include "wire/rule.h"

#include <stdbool.h>

/**
 * DOC: Mark of an environment
 *
 *     name  = label *("." label)          "dev.orders-42": 42 is a child of dev
 *     label = DNS label (RFC 1123 section 2.1), lower case
 *
 * A request asks for one by the first of these that it carries: the member
 * "kt-env" of baggage (W3C Baggage), the field X-Virtual-Env (KtEnv), the
 * field VERSION (KT Connect), the one that the namespace has chosen. It belongs
 * to that environment and to all above it; whose member is the nearest answers.
 * What is no name asks for none.
 *
 * Who adds a mark adds one field more, ENVMARK_FIELD: ENVMARK_MEMBER "=" name,
 * and the chosen one with the name alone, where there is one;
 * a name needs no percent-encoding, and a list may be in several fields
 * (RFC 9110 section 5.3).
 *
 * Pure: no I/O, no allocation.
 */

#define ENVMARK_MAX 128 /* with its NUL */
#define ENVMARK_FIELD "baggage"
#define ENVMARK_MEMBER "kt-env"

#define ENVMARK_HEADER_MAX 64 /* with its NUL */

/** struct envmark - what is added */
struct envmark {
	char name[ENVMARK_MAX];
	char header[ENVMARK_HEADER_MAX]; /* the chosen field, "": there is none
					  */
};

bool envmark_is_name(struct slice s);
/** envmark_is_field() - a mark may be in it; @header: the chosen one, or NULL
 */
bool envmark_is_field(struct slice name, const char *header);
/** envmark_is_header() - a field may be chosen: lower-case letters, digits, '-'
 *  and '_', a letter first; and it is none that means something else to a
 * proxy, to a program or to us */
bool envmark_is_header(struct slice s);
/** envmark_of() - the environment that @req asks for; false: none */
bool envmark_of(const struct rule_request *req, char name[ENVMARK_MAX]);
/** envmark_is_missing() - @req asks for none and may get a mark: no member
 *  "kt-env" of baggage, which would be read before it, says otherwise */
bool envmark_is_missing(const struct rule_request *req);
/** envmark_within() - @name is @env or below it */
bool envmark_within(const char *name, const char *env);
/** envmark_parent() - cut @name to the one above it; false: there is none */
bool envmark_parent(char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_RULEMARK_H
#define KT_WIRE_RULEMARK_H

#include "base/slice.h"
#include "wire/rule.h"

/**
 * DOC: Marks of a request
 *
 * What a request carries that a term of a rule can ask for, of one kind:
 * fields (RULE_HEADER), members of W3C Baggage or tracestate, cookies. Pure.
 */

/** struct rulemark - goes through them; start with @req and @kind set, all
 *  else zero */
struct rulemark {
	const struct rule_request *req;
	enum rule_kind kind;
	size_t field;	   /* the next one */
	struct slice rest; /* of the list in the field before it */
};

/** rulemark_next() - @name as it is written, @value without the blanks around
 *  it; false: there is no other. The kinds without a name have none. */
bool rulemark_next(struct rulemark *m, struct slice *name, struct slice *value);

/**
 * rulemark_decode() - what a value stands for: that of baggage is
 * percent-encoded, "%" without two digits is itself
 * Return: the bytes in @out, or -1: more than @size
 */
int rulemark_decode(enum rule_kind kind, struct slice value, char *out,
		    size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_RULE_H
#define KT_WIRE_RULE_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Rules
 *
 * A rule says which requests that come to a port of the shadow go to a client:
 *
 *     rule  = PORT["/udp" / "/copy=" PERCENT] SP match
 *     match = "all" / term *(SP term)             all terms must hold
 *     term  = "header:" NAME "=" VALUE            any field NAME is VALUE
 *           / "path:" PREFIX                      the request target begins so
 *           / "method:" METHOD
 *           / "baggage:" KEY "=" VALUE            a member (W3C Baggage)
 *           / "tracestate:" KEY "=" VALUE         a member (W3C Trace Context)
 *           / "cookie:" NAME "=" VALUE            a cookie (RFC 6265)
 *           / "env:" NAME                         an environment or one below
 *                                                 it (wire/envmark.h); one
 *
 * With "/copy=" the client gets a copy of so many per cent of these requests
 * (1 to 100), and its answers are thrown away: somebody else answers. A shadow
 * that does not know it refuses the port, and with it the set.
 *
 * NAME of a header and METHOD are compared without regard to case, the rest as
 * it is. In the text of a match blanks, "%" and what is not printable ASCII
 * stand as %XX. The canonical text (rule_match_print()) has the terms sorted
 * and each once, so two matches are the same set exactly when it is the same
 * text.
 *
 * Pure: no I/O, no allocation.
 */

/* that one shadow serves; likewise the rules of one client */
#define SHADOW_PORTS_MAX 256
#define RULE_TERMS_MAX 8
#define RULE_MATCH_MAX 960 /* canonical text with its NUL */
#define RULE_TEXT_MAX 984  /* of a whole rule, likewise */

enum rule_kind {
	RULE_HEADER,
	RULE_PATH,
	RULE_METHOD,
	RULE_BAGGAGE,
	RULE_TRACESTATE,
	RULE_COOKIE,
	RULE_ENV,
	RULE_NKINDS_
};

struct rule_term {
	enum rule_kind kind;
	uint16_t name, value; /* offsets into text[]; no name: "" */
};

/** struct rule_match - zeroed: everything matches ("all") */
struct rule_match {
	size_t n;
	struct rule_term term[RULE_TERMS_MAX]; /* sorted, each once */
	size_t used;
	char text[RULE_MATCH_MAX];
};

struct rule {
	uint16_t port; /* of the shadow */
	bool udp;      /* with the match "all" only */
	uint8_t copy;  /* per cent of the requests; 0: they are taken over */
	struct rule_match match;
	bool closed; /* whose has it refuses every caller; no part of the text
		      */
};

struct rule_field {
	struct slice name, value;
};

/** struct rule_request - what a request looks like; borrowed */
struct rule_request {
	struct slice method;
	struct slice path; /* with the query */
	const struct rule_field *field;
	size_t nfields;
	const char *env_header; /* the field that names an environment, too;
				   NULL: none */
	bool marked; /* the router has added a field: the mark of the caller's
			environment */
};

/** rule_match_add() - one more @term, as a person types it (nothing is
 *  percent-encoded); 0, or -errno with @err (may be NULL) and @m unchanged */
KT_CHECK int rule_match_add(struct rule_match *m, const char *term,
			    struct kt_error *err);
/** rule_match_parse() - a match as text; 0 or -errno with @err (may be NULL) */
KT_CHECK int rule_match_parse(struct rule_match *m, const char *text,
			      struct kt_error *err);
/** rule_match_print() - the canonical text; returns @out */
const char *rule_match_print(const struct rule_match *m,
			     char out[RULE_MATCH_MAX]);
bool rule_match_same(const struct rule_match *a, const struct rule_match *b);
/** rule_match_overlaps() - of two people's rules: one takes what the other's
 * is, because both ask for the same mark, or all that one matches the other
 *  matches. "all" does so only with itself: a mark is an exception from it;
 *  likewise an environment from the one above it. */
bool rule_match_overlaps(const struct rule_match *a,
			 const struct rule_match *b);
/** rule_match_rank() - of two rules that match a request the one with the
 *  greater rank takes it: "all" 0, an environment the length of its name,
 *  all else RULE_MATCH_MAX */
size_t rule_match_rank(const struct rule_match *m);
/** rule_match_has() - @req matches; a preflight that names a header as if it
 * had it; NULL: a connection nobody looks into, which only "all" matches */
bool rule_match_has(const struct rule_match *m, const struct rule_request *req);

/** rule_request_is_preflight() - of CORS (Fetch, section 3.2) */
bool rule_request_is_preflight(const struct rule_request *req);

KT_CHECK int rule_parse(struct rule *r, const char *text, struct kt_error *err);
const char *rule_print(const struct rule *r, char out[RULE_TEXT_MAX]);
/** rule_same() - same port, protocol, match and share */
bool rule_same(const struct rule *a, const struct rule *b);

/** rule_encode() - @text with %XX for what a word of a line cannot have;
 *  0 or -EMSGSIZE */
KT_CHECK int rule_encode(const char *text, char *out, size_t size);
/** rule_decode() - the reverse, of @n bytes; 0, -EINVAL (malformed, a control
 *  character in it) or -EMSGSIZE */
KT_CHECK int rule_decode(const char *text, size_t n, char *out, size_t size);

#endif

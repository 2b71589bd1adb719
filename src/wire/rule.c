/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/rule.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/envmark.h"
#include "wire/rulemark.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const kinds[] = { "header",	"path",	      "method",
				     "baggage", "tracestate", "cookie",
				     "env" };
static_assert(ARRAY_SIZE(kinds) == RULE_NKINDS_, "one name each");

/* --- words ---------------------------------------------------------------- */

static bool rule_is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '%';
}

int rule_encode(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (n + 4 > size)
			return -EMSGSIZE;
		if (rule_is_plain(c))
			out[n++] = *p;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", c);
	}
	if (n >= size)
		return -EMSGSIZE;
	out[n] = 0;
	return 0;
}

int rule_decode(const char *text, size_t n, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			c = str_unescape(text + i, n - i);
			i += 2;
		}
		if (c < ' ' || c == 0x7f)
			return -EINVAL;
		if (len + 1 >= size)
			return -EMSGSIZE;
		out[len++] = (char)c;
	}
	if (!size)
		return -EMSGSIZE;
	out[len] = 0;
	return 0;
}

/* --- terms ---------------------------------------------------------------- */

static const char *rule_name_of(const struct rule_match *m,
				const struct rule_term *t)
{
	return m->text + t->name;
}

static const char *rule_value_of(const struct rule_match *m,
				 const struct rule_term *t)
{
	return m->text + t->value;
}

static bool has_name(enum rule_kind kind)
{
	return kind != RULE_PATH && kind != RULE_METHOD && kind != RULE_ENV;
}

/* token of RFC 9110, section 5.6.2; keys of tracestate may have "/" and "@" */
static bool rule_is_token(const char *p, size_t n, enum rule_kind kind)
{
	const char *more = kind == RULE_TRACESTATE ? "/@" : "";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!isalnum(c) && !strchr("!#$%&'*+-.^_`|~", c) &&
		    !strchr(more, c))
			return false;
	}
	return n > 0 && !memchr(p, 0, n);
}

static int check_value(enum rule_kind kind, const char *v, struct kt_error *err)
{
	size_t n = strlen(v);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)v[i] < ' ' || v[i] == 0x7f)
			return kt_fail(err, EINVAL,
				       "a control character in '%s'",
				       kinds[kind]);
	if (n && (v[0] == ' ' || v[n - 1] == ' '))
		return kt_fail(err, EINVAL, "'%s' begins or ends with a blank",
			       v);
	if (kind == RULE_COOKIE && strchr(v, ';'))
		return kt_fail(err, EINVAL,
			       "no cookie has a ';' in it: '%.80s'", v);
	if (kind == RULE_PATH && v[0] != '/')
		return kt_fail(err, EINVAL,
			       "the path '%s' does not begin with "
			       "a slash",
			       v);
	if (kind == RULE_METHOD && !rule_is_token(v, n, kind))
		return kt_fail(err, EINVAL, "'%s' is no method", v);
	if (kind == RULE_ENV && !envmark_is_name(slice_make(v, n)))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no name of an environment: "
			       "lower-case letters, digits, '-', and '.' "
			       "between parent and child",
			       v);
	return 0;
}

/* split "KIND:NAME=VALUE"; the offsets are counted from @text */
static int rule_split(const char *text, enum rule_kind *kind, const char **name,
		      size_t *namelen, const char **value, struct kt_error *err)
{
	const char *colon = strchr(text, ':'), *eq;
	int k;

	for (k = 0; colon && k < RULE_NKINDS_; k++)
		if (strlen(kinds[k]) == (size_t)(colon - text) &&
		    strncasecmp(text, kinds[k], strlen(kinds[k])) == 0)
			break;
	if (!colon || k == RULE_NKINDS_)
		return kt_fail(err, EINVAL,
			       "'%.80s' is none of header:NAME=VALUE, "
			       "path:PREFIX, method:METHOD, baggage:KEY=VALUE, "
			       "tracestate:KEY=VALUE, cookie:NAME=VALUE, "
			       "env:NAME",
			       text);
	*kind = (enum rule_kind)k;
	*name = colon + 1;
	*namelen = 0;
	*value = colon + 1;
	if (!has_name(*kind))
		return 0;
	eq = strchr(colon, '=');
	if (!eq)
		return kt_fail(err, EINVAL, "no '=' in '%.80s'", text);
	*namelen = (size_t)(eq - *name);
	*value = eq + 1;
	if (!rule_is_token(*name, *namelen, *kind))
		return kt_fail(err, EINVAL, "'%.*s' cannot be a name",
			       (int)MIN(*namelen, (size_t)80), *name);
	return 0;
}

static int term_cmp(const struct rule_match *m, const struct rule_term *a,
		    const struct rule_term *b)
{
	int c;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	c = strcmp(rule_name_of(m, a), rule_name_of(m, b));
	return c ? c : strcmp(rule_value_of(m, a), rule_value_of(m, b));
}

/* its length in the canonical text, a blank before or after it included */
static size_t printed(const struct rule_match *m, const struct rule_term *t)
{
	size_t n = strlen(kinds[t->kind]) + 3;

	for (const char *p = rule_name_of(m, t); *p; p++)
		n += rule_is_plain((unsigned char)*p) ? 1 : 3;
	for (const char *p = rule_value_of(m, t); *p; p++)
		n += rule_is_plain((unsigned char)*p) ? 1 : 3;
	return n;
}

static void rule_put_text(struct rule_match *m, const char *p, size_t n,
			  int (*change)(int))
{
	for (size_t i = 0; i < n; i++)
		m->text[m->used++] =
			change ? (char)change((unsigned char)p[i]) : p[i];
	m->text[m->used++] = 0;
}

static void rule_insert(struct rule_match *m, const struct rule_term *t)
{
	size_t at = 0;

	while (at < m->n && term_cmp(m, &m->term[at], t) < 0)
		at++;
	if (at < m->n && term_cmp(m, &m->term[at], t) == 0)
		return;
	memmove(&m->term[at + 1], &m->term[at],
		(m->n - at) * sizeof(m->term[0]));
	m->term[at] = *t;
	m->n++;
}

int rule_match_add(struct rule_match *m, const char *term, struct kt_error *err)
{
	struct rule_match to = *m;
	const char *name = "", *value = "";
	struct rule_term t = { 0 };
	size_t namelen = 0, all = 0;
	int rc = rule_split(term, &t.kind, &name, &namelen, &value, err);

	if (rc == 0)
		rc = check_value(t.kind, value, err);
	if (rc < 0)
		return rc;
	if (m->n == RULE_TERMS_MAX)
		return kt_fail(err, E2BIG, "more than %d terms in one match",
			       RULE_TERMS_MAX);
	for (size_t i = 0; t.kind == RULE_ENV && i < m->n; i++)
		if (m->term[i].kind == RULE_ENV &&
		    strcmp(rule_value_of(m, &m->term[i]), value) != 0)
			return kt_fail(err, EINVAL,
				       "more than one environment in one "
				       "match: '%s' and '%s'",
				       rule_value_of(m, &m->term[i]), value);
	if (to.used + namelen + strlen(value) + 2 > sizeof(to.text))
		return kt_fail(err, EMSGSIZE, "the match is too long");
	t.name = (uint16_t)to.used;
	rule_put_text(&to, name, namelen,
		      t.kind == RULE_HEADER ? tolower : NULL);
	t.value = (uint16_t)to.used;
	rule_put_text(&to, value, strlen(value),
		      t.kind == RULE_METHOD ? toupper : NULL);
	rule_insert(&to, &t);
	for (size_t i = 0; i < to.n; i++)
		all += printed(&to, &to.term[i]);
	if (all >= RULE_MATCH_MAX)
		return kt_fail(err, EMSGSIZE, "the match is too long");
	*m = to;
	return 0;
}

int rule_match_parse(struct rule_match *m, const char *text,
		     struct kt_error *err)
{
	*m = (struct rule_match){ 0 };
	if (strcmp(text, "all") == 0)
		return 0;
	do {
		size_t n = strcspn(text, " ");
		char word[RULE_MATCH_MAX];
		int rc = rule_decode(text, n, word, sizeof(word));

		if (rc < 0)
			return kt_fail(err, -rc, "malformed match");
		rc = rule_match_add(m, word, err);
		if (rc < 0)
			return rc;
		text += n;
	} while (*text++);
	return 0;
}

const char *rule_match_print(const struct rule_match *m,
			     char out[RULE_MATCH_MAX])
{
	size_t n = 0;

	if (!m->n)
		snprintf(out, RULE_MATCH_MAX, "all");
	for (size_t i = 0; i < m->n; i++) {
		const struct rule_term *t = &m->term[i];
		char word[2][RULE_MATCH_MAX] = { "", "" };

		/* rule_match_add() saw to it that there is room */
		(void)!rule_encode(rule_name_of(m, t), word[0], RULE_MATCH_MAX);
		(void)!rule_encode(rule_value_of(m, t), word[1],
				   RULE_MATCH_MAX);
		n += (size_t)snprintf(out + n, RULE_MATCH_MAX - n,
				      "%s%s:%s%s%s", i ? " " : "",
				      kinds[t->kind], word[0],
				      has_name(t->kind) ? "=" : "", word[1]);
	}
	return out;
}

bool rule_match_same(const struct rule_match *a, const struct rule_match *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct rule_term *x = &a->term[i], *y = &b->term[i];

		if (x->kind != y->kind ||
		    strcmp(rule_name_of(a, x), rule_name_of(b, y)) != 0 ||
		    strcmp(rule_value_of(a, x), rule_value_of(b, y)) != 0)
			return false;
	}
	return true;
}

/* --- two matches ---------------------------------------------------------- */

struct rule_pair {
	const struct rule_match *a, *b;
	const struct rule_term *x, *y; /* one of each */
};

static bool same_name(const struct rule_pair *p)
{
	return p->x->kind == p->y->kind &&
	       strcmp(rule_name_of(p->a, p->x), rule_name_of(p->b, p->y)) == 0;
}

static bool same_value(const struct rule_pair *p)
{
	return strcmp(rule_value_of(p->a, p->x), rule_value_of(p->b, p->y)) ==
	       0;
}

/* no request has both */
static bool excludes(const struct rule_pair *p)
{
	const char *v = rule_value_of(p->a, p->x),
		   *w = rule_value_of(p->b, p->y);

	if (!same_name(p))
		return false;
	if (p->x->kind == RULE_PATH)
		return !str_starts(v, w) && !str_starts(w, v);
	return strcmp(v, w) != 0;
}

/* what has y has x */
static bool follows(const struct rule_pair *p)
{
	const char *v = rule_value_of(p->a, p->x);

	if (p->x->kind == RULE_PATH && strcmp(v, "/") == 0)
		return true;
	if (!same_name(p))
		return false;
	return p->x->kind == RULE_PATH
		       ? str_starts(rule_value_of(p->b, p->y), v)
		       : same_value(p);
}

/* both have a mark that is the same; path and method are none */
static bool same_mark(const struct rule_pair *p)
{
	return p->x->kind != RULE_PATH && p->x->kind != RULE_METHOD &&
	       same_name(p) && same_value(p);
}

static bool any_pair(const struct rule_match *a, const struct rule_match *b,
		     bool (*is)(const struct rule_pair *p))
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (is(&(struct rule_pair){ a, b, &a->term[i],
						    &b->term[j] }))
				return true;
	return false;
}

/* whatever @b matches @a matches */
static bool contains(const struct rule_match *a, const struct rule_match *b)
{
	for (size_t i = 0; i < a->n; i++) {
		bool some = false;

		for (size_t j = 0; j < b->n; j++)
			some |= follows(&(struct rule_pair){ a, b, &a->term[i],
							     &b->term[j] });
		if (!some)
			return false;
	}
	return true;
}

bool rule_match_overlaps(const struct rule_match *a, const struct rule_match *b)
{
	if (rule_match_same(a, b))
		return true;
	if (!a->n || !b->n)
		return false;
	if (any_pair(a, b, excludes))
		return false;
	return any_pair(a, b, same_mark) || contains(a, b) || contains(b, a);
}

size_t rule_match_rank(const struct rule_match *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->term[i].kind == RULE_ENV)
			return strlen(rule_value_of(m, &m->term[i]));
	return m->n ? RULE_MATCH_MAX : 0;
}

/* --- requests ------------------------------------------------------------- */

/* a value of baggage is percent-encoded; that of a rule is not */
static bool rule_value_is(enum rule_kind kind, struct slice value,
			  const char *text)
{
	char plain[RULE_MATCH_MAX];
	int n;

	if (kind != RULE_BAGGAGE)
		return slice_is(value, text);
	n = rulemark_decode(kind, value, plain, sizeof(plain));
	return n >= 0 && slice_is(slice_make(plain, (size_t)n), text);
}

static bool rule_has_mark(const struct rule_match *m, const struct rule_term *t,
			  const struct rule_request *req)
{
	struct rulemark mark = { .req = req, .kind = t->kind };
	const char *wanted = rule_name_of(m, t);
	struct slice name, value;

	while (rulemark_next(&mark, &name, &value))
		if ((t->kind == RULE_HEADER ? slice_is_nocase(name, wanted)
					    : slice_is(name, wanted)) &&
		    rule_value_is(t->kind, value, rule_value_of(m, t)))
			return true;
	return false;
}

bool rule_request_is_preflight(const struct rule_request *req)
{
	if (!slice_is(req->method, "OPTIONS"))
		return false;
	for (size_t i = 0; i < req->nfields; i++)
		if (slice_is_nocase(req->field[i].name,
				    "access-control-request-method"))
			return true;
	return false;
}

/*
 * A preflight (Fetch, section 3.2) never carries the header itself: it names
 * it, and goes where the request that it asks for will go. Not for headers that
 * browsers' programs send anyhow: everybody's preflights would come along.
 */
static bool is_named_ahead(const struct rule_request *req, const char *name)
{
	static const char *const usual[] = { "accept",	     "authorization",
					     "baggage",	     "cache-control",
					     "content-type", "pragma",
					     "range",	     "sentry-trace",
					     "traceparent",  "tracestate",
					     "user-agent",   "x-requested-with",
					     "x-csrf-token", "x-xsrf-token" };
	bool named = false;

	if (!rule_request_is_preflight(req))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (strcmp(usual[i], name) == 0)
			return false;
	for (size_t i = 0; i < req->nfields; i++) {
		const struct rule_field *f = &req->field[i];
		struct slice list = f->value;

		if (!slice_is_nocase(f->name, "access-control-request-headers"))
			continue;
		while (list.n)
			named |= slice_is_nocase(
				slice_trim(slice_next(&list, ',')), name);
	}
	return named;
}

static bool term_has(const struct rule_match *m, const struct rule_term *t,
		     const struct rule_request *req)
{
	const char *value = rule_value_of(m, t);

	if (t->kind == RULE_PATH)
		return slice_starts(req->path, value);
	if (t->kind == RULE_METHOD)
		return slice_is_nocase(req->method, value);
	if (t->kind == RULE_ENV) {
		char name[ENVMARK_MAX];

		return (envmark_of(req, name) && envmark_within(name, value)) ||
		       is_named_ahead(req, "x-virtual-env") ||
		       is_named_ahead(req, "version");
	}
	return rule_has_mark(m, t, req) ||
	       (t->kind == RULE_HEADER &&
		is_named_ahead(req, rule_name_of(m, t)));
}

bool rule_match_has(const struct rule_match *m, const struct rule_request *req)
{
	if (!req)
		return m->n == 0;
	for (size_t i = 0; i < m->n; i++)
		if (!term_has(m, &m->term[i], req))
			return false;
	return true;
}

/* --- rules ---------------------------------------------------------------- */

/* "/copy=PERCENT" at the end of @word, which is cut off */
static int rule_take_copy(struct rule *r, char *word, struct kt_error *err)
{
	char *at = strstr(word, "/copy=");
	long v;

	if (!at)
		return 0;
	if (str_to_long(at + strlen("/copy="), &v) < 0 || v < 1 || v > 100)
		return kt_fail(err, EINVAL,
			       "'%s' is not 1 to 100 per cent of the requests",
			       at + 1);
	r->copy = (uint8_t)v;
	*at = 0;
	return 0;
}

int rule_parse(struct rule *r, const char *text, struct kt_error *err)
{
	size_t n = strcspn(text, " ");
	char word[24];
	int rc;

	*r = (struct rule){ 0 };
	if (!text[n] || n >= sizeof(word))
		return kt_fail(err, EINVAL, "'%.80s' is no rule", text);
	memcpy(word, text, n);
	word[n] = 0;
	rc = rule_take_copy(r, word, err);
	if (rc < 0)
		return rc;
	r->udp = str_ends(word, "/udp");
	if (r->udp && r->copy)
		return kt_fail(err, EINVAL, "no copies are made of UDP");
	if (r->udp)
		word[n - strlen("/udp")] = 0;
	if (str_to_port(word, &r->port) < 0)
		return kt_fail(err, EINVAL, "'%.80s' is no rule", text);
	if (r->udp && strcmp(text + n + 1, "all") != 0)
		return kt_fail(err, EINVAL, "a rule for UDP can only be 'all'");
	return rule_match_parse(&r->match, text + n + 1, err);
}

const char *rule_print(const struct rule *r, char out[RULE_TEXT_MAX])
{
	int n = snprintf(out, RULE_TEXT_MAX, "%u%s", r->port,
			 r->udp ? "/udp" : "");

	if (r->copy)
		n += snprintf(out + n, RULE_TEXT_MAX - (size_t)n, "/copy=%u",
			      r->copy);
	out[n++] = ' ';
	rule_match_print(&r->match, out + n);
	return out;
}

bool rule_same(const struct rule *a, const struct rule *b)
{
	return a->port == b->port && a->udp == b->udp && a->copy == b->copy &&
	       rule_match_same(&a->match, &b->match);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/rulesample.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* what "NAME=VALUE" terms stand in */
static const char *const rulesample_field[RULE_NKINDS_] = {
	[RULE_BAGGAGE] = "baggage",
	[RULE_TRACESTATE] = "tracestate",
	[RULE_COOKIE] = "cookie",
};

static const char *rulesample_value(const struct rule_match *m,
				    const struct rule_term *t)
{
	return m->text + t->value;
}

/* Visible ASCII; @blank: blanks inside, too */
static bool rulesample_is_plain(const char *s, bool blank)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if ((s[i] == ' ' && !(blank && i && i + 1 < n)) || s[i] < ' ' ||
		    s[i] > '~')
			return false;
	return true;
}

/* The longest path holds for all shorter ones, or there is none */
static int rulesample_line(const struct rule_match *m, const char **method,
			   const char **path)
{
	*method = NULL;
	*path = "/";
	for (size_t i = 0; i < m->n; i++) {
		const struct rule_term *t = &m->term[i];
		const char *value = rulesample_value(m, t);

		if (t->kind == RULE_METHOD) {
			if (*method && strcasecmp(*method, value) != 0)
				return -EOPNOTSUPP;
			*method = value;
		} else if (t->kind == RULE_PATH &&
			   strlen(value) > strlen(*path)) {
			*path = value;
		}
	}
	for (size_t i = 0; i < m->n; i++)
		if (m->term[i].kind == RULE_PATH &&
		    !str_starts(*path, rulesample_value(m, &m->term[i])))
			return -EOPNOTSUPP;
	if (!*method)
		*method = "HEAD";
	return strcasecmp(*method, "CONNECT") == 0 || **path != '/' ||
			       !rulesample_is_plain(*path, false)
		       ? -EOPNOTSUPP
		       : 0;
}

static int rulesample_put_term(struct buf *b, const struct rule_match *m,
			       const struct rule_term *t)
{
	const char *name = m->text + t->name;
	const char *value = rulesample_value(m, t);

	if (t->kind == RULE_PATH || t->kind == RULE_METHOD)
		return 0;
	if (!rulesample_is_plain(value, t->kind == RULE_HEADER))
		return -EOPNOTSUPP;
	if (t->kind == RULE_HEADER)
		return buf_printf(b, "%s: %s\r\n", name, value);
	if (t->kind == RULE_ENV)
		return buf_printf(b, "baggage: kt-env=%s\r\n", value);
	return buf_printf(b, "%s: %s=%s\r\n", rulesample_field[t->kind], name,
			  value);
}

/* A field that frames the body, or says how the connection goes on, would make
 * it another request */
static bool rulesample_is_special(const struct rule_match *m,
				  const struct rule_term *t)
{
	static const char *const names[] = { "content-length", "expect",
					     "transfer-encoding", "connection",
					     "upgrade" };

	for (size_t i = 0; t->kind == RULE_HEADER && i < ARRAY_SIZE(names); i++)
		if (strcasecmp(m->text + t->name, names[i]) == 0)
			return true;
	return false;
}

int rulesample_put(struct buf *b, const struct rule_match *m, const char *host)
{
	const char *method, *path;
	bool named = false;
	int rc = rulesample_line(m, &method, &path);

	for (size_t i = 0; i < m->n; i++) {
		if (rulesample_is_special(m, &m->term[i]))
			return -EOPNOTSUPP;
		if (m->term[i].kind == RULE_HEADER &&
		    strcasecmp(m->text + m->term[i].name, "host") == 0)
			named = true;
	}
	if (rc == 0)
		rc = buf_printf(b, "%s %s HTTP/1.1\r\n", method, path);
	if (rc >= 0 && !named)
		rc = buf_printf(b, "Host: %s\r\n", host);
	for (size_t i = 0; rc >= 0 && i < m->n; i++)
		rc = rulesample_put_term(b, m, &m->term[i]);
	if (rc >= 0)
		rc = buf_printf(b, "\r\n");
	return rc == -EOPNOTSUPP ? rc : rc < 0 ? -E2BIG : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/envtable.h"

#include "base/hash.h"
#include "base/ipaddr.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- a line --------------------------------------------------------------- */

static bool envtable_is_label(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!islower(c) && !isdigit(c) &&
		    (c != '-' || !i || i + 1 == s.n))
			return false;
	}
	return s.n > 0 && s.n < ENVTABLE_LABEL;
}

/* labels with a dot behind each */
static bool envtable_is_name(struct slice s)
{
	struct slice label;
	size_t n = 0;

	while (slice_cut(&s, '.', &label)) {
		if (!envtable_is_label(label))
			return false;
		n++;
	}
	return n && !s.n;
}

static bool envtable_is_host(struct slice s)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a;

	if (s.n >= ENVTABLE_HOST)
		return false;
	if (slice_is(s, ENVTABLE_LOCAL) || envtable_is_name(s))
		return true;
	if (!s.n || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return ipaddr_parse(&a, text) == 0;
}

static void envtable_keep(char *to, struct slice s)
{
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static int envtable_time(struct slice s, int64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s.n; i++) {
		int digit = (unsigned char)s.p[i] - '0';

		if (digit < 0 || digit > 9 || *v > (INT64_MAX - digit) / 10)
			return -EINVAL;
		*v = *v * 10 + digit;
	}
	return s.n ? 0 : -EINVAL;
}

static int envtable_flags(struct slice s, bool *strict)
{
	if (!s.n)
		return -EINVAL;
	*strict = false;
	if (slice_is(s, "-"))
		return 0;
	while (s.n) {
		struct slice flag = slice_next(&s, ',');

		if (!envtable_is_label(flag))
			return -EINVAL;
		*strict |= slice_is(flag, "strict");
	}
	return 0;
}

static int envtable_malformed(struct kt_error *err, const char *what,
			      struct slice word)
{
	return kt_fail(err, EINVAL, "'%.*s' is no %s", (int)MIN(word.n, 80u),
		       word.p ? word.p : "", what);
}

/* The last one counts, and nothing of those before is left */
static void envtable_keep_last(char *to, size_t size, struct slice s)
{
	memset(to, 0, size);
	envtable_keep(to, s);
}

/* KEY=VALUE behind the flags; what is not known is a newer version's */
static void envtable_more(struct envtable_line *l, struct slice word)
{
	struct slice key = slice_next(&word, '=');

	if (l->kind == ENVTABLE_ENV) {
		if (slice_is(key, "header") && envmark_is_header(word))
			envtable_keep_last(l->header, sizeof(l->header), word);
	} else if (envtable_is_label(word)) {
		if (slice_is(key, "join"))
			envtable_keep_last(l->join, sizeof(l->join), word);
		else if (slice_is(key, "source"))
			envtable_keep_last(l->source, sizeof(l->source), word);
	}
}

static int envtable_read(struct envtable_line *l, struct slice text,
			 struct kt_error *err)
{
	struct slice word = slice_next(&text, ' ');

	if (!envmark_is_name(word))
		return envtable_malformed(err, "environment", word);
	envtable_keep(l->env, word);
	word = slice_next(&text, ' ');
	if (!envtable_is_label(word))
		return envtable_malformed(err, "Service", word);
	envtable_keep(l->name, word);
	if (l->kind == ENVTABLE_MEMBER) {
		word = slice_next(&text, ' ');
		if (!envtable_is_host(word))
			return envtable_malformed(err, "host", word);
		envtable_keep(l->host, word);
	}
	word = slice_next(&text, ' ');
	if (envtable_time(word, &l->expires) < 0)
		return envtable_malformed(err, "time", word);
	word = slice_next(&text, ' ');
	if (envtable_flags(word, &l->strict) < 0)
		return envtable_malformed(err, "list of flags", word);
	while (text.n)
		envtable_more(l, slice_next(&text, ' '));
	return 0;
}

int envtable_parse_line(struct envtable_line *l, struct slice text,
			struct kt_error *err)
{
	struct slice kind = slice_next(&text, ' ');
	int rc;

	*l = (struct envtable_line){ .kind = ENVTABLE_OTHER };
	if (slice_is(kind, "member"))
		l->kind = ENVTABLE_MEMBER;
	else if (slice_is(kind, "env"))
		l->kind = ENVTABLE_ENV;
	else
		return 0;
	rc = envtable_read(l, text, err);
	if (rc < 0)
		*l = (struct envtable_line){ .kind = ENVTABLE_OTHER };
	return rc;
}

static int envtable_put_more(struct buf *out, const char *key,
			     const char *value)
{
	return *value ? buf_printf(out, " %s=%s", key, value) : 0;
}

int envtable_put_line(struct buf *out, const struct envtable_line *l)
{
	bool member = l->kind == ENVTABLE_MEMBER;
	int rc = buf_printf(out, "%s %s %s%s%s %" PRId64 " %s",
			    member ? "member" : "env", l->env, l->name,
			    member ? " " : "", l->host, l->expires,
			    l->strict ? "strict" : "-");

	if (rc == 0)
		rc = envtable_put_more(out, "join", l->join);
	if (rc == 0)
		rc = envtable_put_more(out, "source", l->source);
	if (rc == 0)
		rc = envtable_put_more(out, "header", l->header);
	return rc < 0 ? rc : buf_printf(out, "\n");
}

/* --- the table ------------------------------------------------------------ */

/* Everything is found by hash: a bucket has the number of its first element,
 * plus one, which has that of the next */
#define ENVTABLE_BUCKETS 1024u /* power of two */

struct envtable_env {
	const char *env, *header; /* NULL: none */
	int64_t expires;
	bool strict;
	unsigned int next;
};

struct envtable_label {
	const char *label, *env;
	int64_t expires;
	bool own; /* a SOURCE */
	unsigned int next;
};

struct envtable {
	struct envtable_member *member;
	struct envtable_env *env;
	struct envtable_label *label;
	size_t nmembers, nenvs, nlabels;
	unsigned int member_at[ENVTABLE_BUCKETS], env_at[ENVTABLE_BUCKETS],
		label_at[ENVTABLE_BUCKETS];
	char *text; /* of all strings */
	size_t used;
};

static size_t envtable_bucket(const char *p, size_t n)
{
	return hash_bytes(p, n) & (ENVTABLE_BUCKETS - 1);
}

static bool envtable_alive(int64_t expires, int64_t now)
{
	return !expires || now < expires;
}

static const char *envtable_string(struct envtable *t, const char *s)
{
	char *at = t->text + t->used;
	size_t n = strlen(s) + 1;

	memcpy(at, s, n);
	t->used += n;
	return at;
}

static struct envtable_member *envtable_member_of(const struct envtable *t,
						  const char *name)
{
	unsigned int i = t->member_at[envtable_bucket(name, strlen(name))];

	for (; i; i = t->member[i - 1].next)
		if (strcmp(t->member[i - 1].env, name) == 0)
			return &t->member[i - 1];
	return NULL;
}

static struct envtable_env *envtable_env_of(const struct envtable *t,
					    const char *name)
{
	unsigned int i = t->env_at[envtable_bucket(name, strlen(name))];

	for (; i; i = t->env[i - 1].next)
		if (strcmp(t->env[i - 1].env, name) == 0)
			return &t->env[i - 1];
	return NULL;
}

static void envtable_add_member(struct envtable *t, const char *env,
				const struct envtable_line *l)
{
	struct envtable_member *m = envtable_member_of(t, env);
	unsigned int *at = &t->member_at[envtable_bucket(env, strlen(env))];
	unsigned int next = m ? m->next : *at;

	if (!m) {
		m = &t->member[t->nmembers++];
		*at = (unsigned int)t->nmembers;
	}
	*m = (struct envtable_member){
		.env = env,
		.host = envtable_string(t, l->host),
		.join = envtable_string(t, l->join),
		.expires = l->expires,
		.strict = l->strict,
		.local = strcmp(l->host, ENVTABLE_LOCAL) == 0,
		.next = next,
	};
}

static void envtable_add_env(struct envtable *t, const char *env,
			     const struct envtable_line *l)
{
	struct envtable_env *e = envtable_env_of(t, env);
	unsigned int *at = &t->env_at[envtable_bucket(env, strlen(env))];
	unsigned int next = e ? e->next : *at;

	if (!e) {
		e = &t->env[t->nenvs++];
		*at = (unsigned int)t->nenvs;
	}
	*e = (struct envtable_env){
		.env = env,
		.header = l->header[0] ? envtable_string(t, l->header) : NULL,
		.expires = l->expires,
		.strict = l->strict,
		.next = next,
	};
}

/* @label: NUL-terminated, or of a host, up to its first dot */
static void envtable_add_label(struct envtable *t, const char *env,
			       const char *label, int64_t expires, bool own)
{
	unsigned int *at =
		&t->label_at[envtable_bucket(label, strcspn(label, "."))];

	t->label[t->nlabels++] =
		(struct envtable_label){ label, env, expires, own, *at };
	*at = (unsigned int)t->nlabels;
}

static void envtable_add(struct envtable *t, const struct envtable_line *l,
			 const char *service)
{
	const char *env = envtable_string(t, l->env);

	if (l->kind == ENVTABLE_ENV) {
		envtable_add_env(t, env, l);
		envtable_add_label(t, env, envtable_string(t, l->name),
				   l->expires, true);
		return;
	}
	if (strcmp(l->name, service) == 0)
		envtable_add_member(t, env, l);
	if (l->source[0])
		envtable_add_label(t, env, envtable_string(t, l->source),
				   l->expires, true);
	else if (l->host[strlen(l->host) - 1] == '.')
		envtable_add_label(t, env, envtable_string(t, l->host),
				   l->expires, false);
}

static size_t envtable_count_lines(struct slice text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return MIN(n, (size_t)ENVTABLE_LINES);
}

static struct envtable *envtable_alloc(size_t lines, size_t bytes)
{
	struct envtable *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->member = calloc(lines, sizeof(*t->member));
	t->env = calloc(lines, sizeof(*t->env));
	t->label = calloc(lines, sizeof(*t->label));
	/* a host may be there twice: of the member, and as a source */
	t->text = malloc(2 * bytes + lines);
	if (t->member && t->env && t->label && t->text)
		return t;
	envtable_free(t);
	return NULL;
}

/* what was asked for is the most there can be: give the rest back */
static void envtable_trim(struct envtable *t)
{
	void *p = realloc(t->member, MAX(t->nmembers, 1u) * sizeof(*t->member));

	if (p)
		t->member = p;
	p = realloc(t->env, MAX(t->nenvs, 1u) * sizeof(*t->env));
	if (p)
		t->env = p;
	p = realloc(t->label, MAX(t->nlabels, 1u) * sizeof(*t->label));
	if (p)
		t->label = p;
}

struct envtable *envtable_new(struct slice text, const char *service,
			      envtable_drop_fn *drop, void *user)
{
	struct slice all = { text.p, MIN(text.n, ENVTABLE_BYTES) };
	struct envtable *t =
		envtable_alloc(envtable_count_lines(all), all.n + 1);
	struct envtable_line l;
	size_t n = 0;

	while (t && all.n && n++ < ENVTABLE_LINES) {
		struct slice line = slice_next(&all, '\n');
		struct kt_error err = { 0 };

		if (envtable_parse_line(&l, line, &err) < 0) {
			if (drop)
				drop(user, n, err.msg);
		} else if (l.kind != ENVTABLE_OTHER) {
			envtable_add(t, &l, service);
		}
	}
	if (t && drop && (all.n || text.n > ENVTABLE_BYTES))
		drop(user, n, "the table is too long: the rest is left out");
	if (t)
		envtable_trim(t);
	return t;
}

void envtable_free(struct envtable *t)
{
	if (!t)
		return;
	free(t->member);
	free(t->env);
	free(t->label);
	free(t->text);
	free(t);
}

/* --- questions ------------------------------------------------------------ */

const struct envtable_member *envtable_find(const struct envtable *t,
					    const char *name, int64_t now)
{
	const struct envtable_member *m = envtable_member_of(t, name);

	return m && envtable_alive(m->expires, now) ? m : NULL;
}

bool envtable_is_strict(const struct envtable *t, const char *name, int64_t now)
{
	const struct envtable_env *e = envtable_env_of(t, name);

	return e && e->strict && envtable_alive(e->expires, now);
}

const char *envtable_source(const struct envtable *t, struct slice label,
			    int64_t now)
{
	unsigned int i = t->label_at[envtable_bucket(label.p, label.n)];
	const char *found = NULL;
	bool own = false, many = false;

	for (; i; i = t->label[i - 1].next) {
		const struct envtable_label *l = &t->label[i - 1];

		if (strcspn(l->label, ".") != label.n ||
		    memcmp(l->label, label.p, label.n) != 0 ||
		    !envtable_alive(l->expires, now) || (own && !l->own))
			continue;
		if (l->own && !own) {
			own = true;
			found = NULL;
			many = false;
		}
		many |= found && strcmp(found, l->env) != 0;
		found = l->env;
	}
	return many ? NULL : found;
}

bool envtable_has_sources(const struct envtable *t)
{
	return t->nlabels > 0;
}

const char *envtable_header(const struct envtable *t, int64_t now)
{
	for (size_t i = 0; i < t->nenvs; i++)
		if (t->env[i].header && envtable_alive(t->env[i].expires, now))
			return t->env[i].header;
	return NULL;
}

const struct envtable_member *envtable_at(const struct envtable *t, size_t i)
{
	return &t->member[i];
}

size_t envtable_count(const struct envtable *t)
{
	return t->nmembers;
}

int64_t envtable_next_expiry(const struct envtable *t, int64_t now)
{
	int64_t first = 0;

	for (size_t i = 0; i < t->nmembers; i++) {
		int64_t at = t->member[i].expires;

		if (at > now && (!first || at < first))
			first = at;
	}
	return first;
}

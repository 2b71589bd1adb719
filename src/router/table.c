/* SPDX-License-Identifier: Apache-2.0 */
#include "router/table.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/envmark.h"
#include "wire/rulemark.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/*
 * A rule is found by one of its marks: it hangs in the bucket of the first of
 * them, so a request looks into the bucket of each mark that it carries, and
 * not at each rule. Rules without a mark (all, path, method) stand in a list of
 * their own.
 */
#define TABLE_BUCKETS 1024 /* power of two */
#define TABLE_IDS 128	   /* likewise */

struct table_client;

struct table_rule {
	struct list node; /* of its bucket, or of those without a mark */
	struct table_client *client;
	struct rule rule;
	int owed; /* of one that wants copies: per cent, -100 to 100 */
};

struct table_client {
	struct list node;
	struct list same; /* of those in its place by its id */
	uint64_t id;
	char user[TABLE_USER_MAX];
	bool lost;
	int64_t until; /* lost: when its rules are suspended */
	int64_t grace_ns;
	uint64_t order; /* of its commit */
	struct table_rule *rules;
	size_t n, ncopies;
};

struct table {
	struct list clients;
	struct list ids[TABLE_IDS]; /* the same, found by id */
	uint64_t last_id, commits;
	size_t nrules, ncopies;
	uint64_t chance;
	struct list unmarked;
	struct list bucket[TABLE_BUCKETS];
	size_t in_bucket[RULE_NKINDS_]; /* rules that hang by this kind */
};

struct table *table_new(void)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	list_init(&t->clients);
	list_init(&t->unmarked);
	for (size_t i = 0; i < TABLE_BUCKETS; i++)
		list_init(&t->bucket[i]);
	for (size_t i = 0; i < TABLE_IDS; i++)
		list_init(&t->ids[i]);
	return t;
}

static struct table_client *table_find(const struct table *t, uint64_t id)
{
	const struct list *at = &t->ids[id & (TABLE_IDS - 1)];
	struct list *n;

	list_for_each (n, at) {
		struct table_client *c =
			container_of(n, struct table_client, same);

		if (c->id == id)
			return c;
	}
	return NULL;
}

uint64_t table_join(struct table *t)
{
	struct table_client *c = calloc(1, sizeof(*c));

	if (!c)
		return 0;
	c->id = ++t->last_id;
	list_add_tail(&t->clients, &c->node);
	list_add_tail(&t->ids[c->id & (TABLE_IDS - 1)], &c->same);
	return c->id;
}

/* the mark a rule hangs by; NULL: it has none */
static const struct rule_term *hangs_by(const struct rule_match *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->term[i].kind != RULE_PATH &&
		    m->term[i].kind != RULE_METHOD)
			return &m->term[i];
	return NULL;
}

/* the number of a mark's bucket; names of fields in either case are the same */
static size_t bucket_of(enum rule_kind kind, struct slice name,
			const char *value, size_t n)
{
	char key[2 * RULE_MATCH_MAX + 2];
	size_t used = 0;

	key[used++] = (char)kind;
	for (size_t i = 0; i < name.n && used <= RULE_MATCH_MAX; i++)
		key[used++] = kind == RULE_HEADER
				      ? (char)tolower((unsigned char)name.p[i])
				      : name.p[i];
	key[used++] = 0;
	memcpy(key + used, value, n);
	return hash_bytes(key, used + n) & (TABLE_BUCKETS - 1);
}

static void hang_rule(struct table *t, struct table_rule *r)
{
	const struct rule_match *m = &r->rule.match;
	const struct rule_term *by = hangs_by(m);
	struct list *at = &t->unmarked;

	if (by) {
		const char *value = m->text + by->value;

		t->in_bucket[by->kind]++;
		at = &t->bucket[bucket_of(by->kind,
					  slice_of(m->text + by->name), value,
					  strlen(value))];
	}
	list_add_tail(at, &r->node);
}

static void take_down_rule(struct table *t, struct table_rule *r)
{
	const struct rule_term *by = hangs_by(&r->rule.match);

	if (by)
		t->in_bucket[by->kind]--;
	list_del(&r->node);
}

static void drop_rules(struct table *t, struct table_client *c)
{
	for (size_t i = 0; i < c->n; i++)
		take_down_rule(t, &c->rules[i]);
	t->nrules -= c->n;
	t->ncopies -= c->ncopies;
	free(c->rules);
	c->rules = NULL;
	c->n = c->ncopies = 0;
}

void table_leave(struct table *t, uint64_t id)
{
	struct table_client *c = table_find(t, id);

	if (!c)
		return;
	drop_rules(t, c);
	list_del(&c->node);
	list_del(&c->same);
	free(c);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	while (!list_empty(&t->clients))
		table_leave(t, container_of(t->clients.next,
					    struct table_client, node)
				       ->id);
	free(t);
}

static bool in_force(const struct table_client *c, int64_t now)
{
	return !c->lost || now < c->until;
}

/* the rule of @c that @r takes something from, or of which it would get
 * nothing; NULL: none */
static const struct rule *find_overlap(const struct table_client *c,
				       const struct rule *r)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct rule *mine = &c->rules[i].rule;

		if (mine->port != r->port || mine->udp != r->udp || mine->copy)
			continue;
		if (r->copy ? rule_match_same(&mine->match, &r->match)
			    : rule_match_overlaps(&mine->match, &r->match))
			return mine;
	}
	return NULL;
}

/* somebody else's rule in force is @r */
static int conflict(const struct table *t, uint64_t id, const struct rule *r,
		    int64_t now, struct table_conflict *out)
{
	struct list *n;

	list_for_each (n, &t->clients) {
		const struct table_client *c =
			container_of(n, struct table_client, node);
		const struct rule *theirs;

		if (c->id == id || !in_force(c, now))
			continue;
		theirs = find_overlap(c, r);
		if (!theirs)
			continue;
		out->rule = *theirs;
		memcpy(out->holder, c->user, sizeof(c->user));
		out->id = c->id;
		out->free_ns = c->lost ? c->until - now : -1;
		return -EEXIST;
	}
	return 0;
}

int table_commit(struct table *t, uint64_t id, const char *user,
		 int64_t grace_ns, const struct rule *rules, size_t n,
		 int64_t now, struct table_conflict *out)
{
	struct table_client *c = table_find(t, id);
	struct table_rule *mine;
	int rc = c ? 0 : -ENOENT;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = conflict(t, id, &rules[i], now, out);
	if (rc < 0)
		return rc;
	if (t->nrules - c->n + n > TABLE_RULES_MAX)
		return -ENOSPC;
	mine = calloc(n ? n : 1, sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	if (!c->n)
		c->order = ++t->commits;
	drop_rules(t, c);
	c->rules = mine;
	c->n = n;
	for (size_t i = 0; i < n; i++) {
		mine[i].client = c;
		mine[i].rule = rules[i];
		c->ncopies += rules[i].copy > 0;
		hang_rule(t, &mine[i]);
	}
	t->nrules += n;
	t->ncopies += c->ncopies;
	c->grace_ns = grace_ns;
	snprintf(c->user, sizeof(c->user), "%s", user);
	return 0;
}

void table_lost(struct table *t, uint64_t id, int64_t now)
{
	struct table_client *c = table_find(t, id);

	if (!c || c->lost)
		return;
	c->lost = true;
	c->until = now + c->grace_ns;
}

void table_expire(struct table *t, uint64_t id, int64_t now)
{
	struct table_client *c = table_find(t, id);

	if (c && c->lost)
		c->until = MIN(c->until, now);
}

int table_back(struct table *t, uint64_t id, int64_t now,
	       struct table_conflict *out)
{
	struct table_client *c = table_find(t, id);
	int rc = 0;

	if (!c || !c->lost)
		return 0;
	for (size_t i = 0; rc == 0 && !in_force(c, now) && i < c->n; i++)
		rc = conflict(t, id, &c->rules[i].rule, now, out);
	c->lost = false;
	if (rc < 0)
		drop_rules(t, c);
	return rc;
}

/* --- whose is a request? -------------------------------------------------- */

struct table_choice {
	uint16_t port;
	bool udp;
	const struct rule_request *req;
	int64_t now;
	const struct table_rule *best;
};

/*
 * A mark of somebody's own before an environment's, the nearest environment
 * before those above it, "all" last; among equals who came first.
 */
static bool ranks_before(const struct table_rule *a, const struct table_rule *b)
{
	size_t x = rule_match_rank(&a->rule.match);
	size_t y = rule_match_rank(&b->rule.match);

	return x != y ? x > y : a->client->order < b->client->order;
}

static void consider(struct table_choice *c, const struct table_rule *r)
{
	if (!r->rule.copy && r->rule.port == c->port && r->rule.udp == c->udp &&
	    in_force(r->client, c->now) &&
	    (!c->best || ranks_before(r, c->best)) &&
	    rule_match_has(&r->rule.match, c->req))
		c->best = r;
}

static void consider_list(struct table_choice *c, const struct list *rules)
{
	struct list *n;

	list_for_each (n, rules)
		consider(c, container_of(n, struct table_rule, node));
}

static void consider_all(struct table_choice *c, const struct table *t)
{
	struct list *n;

	list_for_each (n, &t->clients) {
		const struct table_client *client =
			container_of(n, struct table_client, node);

		for (size_t i = 0; i < client->n; i++)
			consider(c, &client->rules[i]);
	}
}

/* the environment that is asked for, and those above it */
static void consider_envs(struct table_choice *c, const struct table *t)
{
	char name[ENVMARK_MAX];

	if (!envmark_of(c->req, name))
		return;
	do
		consider_list(c, &t->bucket[bucket_of(RULE_ENV, slice_of(""),
						      name, strlen(name))]);
	while (envmark_parent(name));
}

static void consider_marks(struct table_choice *c, const struct table *t,
			   enum rule_kind kind)
{
	struct rulemark m = { .req = c->req, .kind = kind };
	struct slice name, value;
	char plain[RULE_MATCH_MAX];

	while (rulemark_next(&m, &name, &value)) {
		int n = rulemark_decode(kind, value, plain, sizeof(plain));

		if (n >= 0) /* else longer than any rule's */
			consider_list(c, &t->bucket[bucket_of(kind, name, plain,
							      (size_t)n)]);
	}
}

static const struct table_rule *table_best(const struct table *t, uint16_t port,
					   bool udp,
					   const struct rule_request *req,
					   int64_t now)
{
	struct table_choice c = { port, udp, req, now, NULL };

	if (req && rule_request_is_preflight(req)) {
		consider_all(&c, t); /* it names marks without their values */
	} else {
		consider_list(&c, &t->unmarked);
		for (int k = 0; req && k < RULE_NKINDS_; k++)
			if (t->in_bucket[k] && k == RULE_ENV)
				consider_envs(&c, t);
			else if (t->in_bucket[k])
				consider_marks(&c, t, (enum rule_kind)k);
	}
	return c.best;
}

uint64_t table_choose(const struct table *t, uint16_t port, bool udp,
		      const struct rule_request *req, int64_t now)
{
	const struct table_rule *r = table_best(t, port, udp, req, now);

	return r ? r->client->id : 0;
}

static const char *table_env_of(const struct rule_match *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->term[i].kind == RULE_ENV)
			return m->text + m->term[i].value;
	return m->n ? NULL : "";
}

uint64_t table_choose_env(const struct table *t, uint16_t port,
			  const struct rule_request *req, int64_t now,
			  const char **env)
{
	const struct table_rule *r = table_best(t, port, false, req, now);

	*env = r ? table_env_of(&r->rule.match) : NULL;
	return r ? r->client->id : 0;
}

bool table_env_away(const struct table *t, uint16_t port, const char *name,
		    const struct rule_request *req, int64_t now)
{
	const struct list *at = &t->bucket[bucket_of(RULE_ENV, slice_of(""),
						     name, strlen(name))];
	struct list *n;

	if (!t->in_bucket[RULE_ENV])
		return false;
	list_for_each (n, at) {
		const struct table_rule *r =
			container_of(n, struct table_rule, node);
		const char *env = table_env_of(&r->rule.match);

		if (!r->rule.copy && r->rule.port == port && !r->rule.udp &&
		    env && strcmp(env, name) == 0 &&
		    !in_force(r->client, now) &&
		    rule_match_has(&r->rule.match, req))
			return true;
	}
	return false;
}

bool table_env_here(const struct table *t, const char *name, int64_t now)
{
	const struct list *at = &t->bucket[bucket_of(RULE_ENV, slice_of(""),
						     name, strlen(name))];
	struct list *n;

	list_for_each (n, at) {
		const struct table_rule *r =
			container_of(n, struct table_rule, node);
		const char *env = table_env_of(&r->rule.match);

		if (!r->rule.copy && env && strcmp(env, name) == 0 &&
		    in_force(r->client, now))
			return true;
	}
	return false;
}

/* 0 to 99 (splitmix64) */
static int table_chance(struct table *t)
{
	uint64_t z = t->chance += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (int)((z ^ (z >> 31)) % 100);
}

/* One more request: is it one of the share? */
static bool table_is_copied(struct table *t, struct table_rule *r)
{
	r->owed += r->rule.copy;
	if (r->owed <= table_chance(t))
		return false;
	r->owed -= 100;
	return true;
}

static bool wants_copy(const struct table_rule *r, uint16_t port,
		       const struct rule_request *req)
{
	return r->rule.copy && r->rule.port == port &&
	       rule_match_has(&r->rule.match, req);
}

void table_copies(struct table *t, uint16_t port,
		  const struct rule_request *req, int64_t now,
		  table_copy_fn *fn, void *arg)
{
	struct list *n, *tmp;

	if (!t->ncopies) /* each request asks */
		return;
	list_for_each_safe (n, tmp, &t->clients) {
		struct table_client *c =
			container_of(n, struct table_client, node);
		size_t i = 0;

		if (!c->ncopies || !in_force(c, now))
			continue;
		while (i < c->n && !wants_copy(&c->rules[i], port, req))
			i++;
		if (i < c->n && table_is_copied(t, &c->rules[i]))
			fn(arg, c->id, !c->lost);
	}
}

const struct rule *table_whose(const struct table *t, uint64_t id,
			       uint16_t port, const struct rule_request *req,
			       const char **user)
{
	const struct table_client *c = table_find(t, id);

	*user = c ? c->user : NULL;
	for (size_t i = 0; c && i < c->n; i++) {
		const struct rule *r = &c->rules[i].rule;

		if (r->port == port && !r->udp && !r->copy &&
		    rule_match_has(&r->match, req))
			return r;
	}
	return NULL;
}

bool table_serves(const struct table *t, uint64_t id)
{
	const struct table_client *c = table_find(t, id);

	return c && c->n > 0;
}

bool table_has_port(const struct table *t, uint64_t id, uint16_t port, bool udp,
		    int64_t now)
{
	const struct table_client *c = table_find(t, id);

	if (!c || !in_force(c, now))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (c->rules[i].rule.port == port &&
		    c->rules[i].rule.udp == udp)
			return true;
	return false;
}

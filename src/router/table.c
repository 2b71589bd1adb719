/* SPDX-License-Identifier: Apache-2.0 */
#include "router/table.h"

#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct table_client {
	struct list node;
	uint64_t id;
	char user[TABLE_USER_MAX];
	bool lost;
	int64_t until; /* lost: when its rules are suspended */
	int64_t grace_ns;
	uint64_t order; /* of its commit */
	struct rule *rules;
	int *owed; /* of each that wants copies: per cent, -100 to 100 */
	size_t n, ncopies;
};

struct table {
	struct list clients;
	uint64_t last_id, commits;
	size_t nrules;
	uint64_t chance;
};

struct table *table_new(void)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t)
		list_init(&t->clients);
	return t;
}

static struct table_client *table_find(const struct table *t, uint64_t id)
{
	struct list *n;

	list_for_each (n, &t->clients) {
		struct table_client *c =
			container_of(n, struct table_client, node);

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
	return c->id;
}

static void drop_rules(struct table *t, struct table_client *c)
{
	t->nrules -= c->n;
	free(c->rules);
	free(c->owed);
	c->rules = NULL;
	c->owed = NULL;
	c->n = c->ncopies = 0;
}

void table_leave(struct table *t, uint64_t id)
{
	struct table_client *c = table_find(t, id);

	if (!c)
		return;
	drop_rules(t, c);
	list_del(&c->node);
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
		const struct rule *mine = &c->rules[i];

		if (mine->port != r->port || mine->udp != r->udp || mine->copy)
			continue;
		if (r->copy ? rule_match_same(&mine->match, &r->match)
			    : rule_match_overlaps(&mine->match, &r->match))
			return mine;
	}
	return NULL;
}

/* somebody else's rule in force is one of these */
static int conflict(const struct table *t, uint64_t id,
		    const struct rule *rules, size_t nrules, int64_t now,
		    struct table_conflict *out)
{
	struct list *n;

	list_for_each (n, &t->clients) {
		const struct table_client *c =
			container_of(n, struct table_client, node);

		if (c->id == id || !in_force(c, now))
			continue;
		for (size_t i = 0; i < nrules; i++) {
			const struct rule *theirs = find_overlap(c, &rules[i]);

			if (!theirs)
				continue;
			out->rule = *theirs;
			memcpy(out->holder, c->user, sizeof(c->user));
			out->free_ns = c->lost ? c->until - now : -1;
			return -EEXIST;
		}
	}
	return 0;
}

int table_commit(struct table *t, uint64_t id, const char *user,
		 int64_t grace_ns, const struct rule *rules, size_t n,
		 int64_t now, struct table_conflict *out)
{
	struct table_client *c = table_find(t, id);
	struct rule *mine;
	int *owed;
	int rc = c ? conflict(t, id, rules, n, now, out) : -ENOENT;

	if (rc < 0)
		return rc;
	if (t->nrules - c->n + n > TABLE_RULES_MAX)
		return -ENOSPC;
	mine = calloc(n ? n : 1, sizeof(*mine));
	owed = calloc(n ? n : 1, sizeof(*owed));
	if (!mine || !owed) {
		free(mine);
		free(owed);
		return -ENOMEM;
	}
	if (n)
		memcpy(mine, rules, n * sizeof(*mine));
	if (!c->n)
		c->order = ++t->commits;
	drop_rules(t, c);
	c->rules = mine;
	c->owed = owed;
	c->n = n;
	for (size_t i = 0; i < n; i++)
		c->ncopies += mine[i].copy > 0;
	t->nrules += n;
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

int table_back(struct table *t, uint64_t id, int64_t now,
	       struct table_conflict *out)
{
	struct table_client *c = table_find(t, id);
	int rc;

	if (!c || !c->lost)
		return 0;
	rc = in_force(c, now) ? 0 : conflict(t, id, c->rules, c->n, now, out);
	c->lost = false;
	if (rc < 0)
		drop_rules(t, c);
	return rc;
}

uint64_t table_choose(const struct table *t, uint16_t port, bool udp,
		      const struct rule_request *req, int64_t now)
{
	const struct table_client *best = NULL;
	bool best_all = false;
	struct list *n;

	list_for_each (n, &t->clients) {
		const struct table_client *c =
			container_of(n, struct table_client, node);

		if (!c->n || !in_force(c, now))
			continue;
		for (size_t i = 0; i < c->n; i++) {
			const struct rule *r = &c->rules[i];
			bool all = !r->match.n;
			bool better =
				!best || (!all && best_all) ||
				(all == best_all && c->order < best->order);

			if (!better || r->copy || r->port != port ||
			    r->udp != udp || !rule_match_has(&r->match, req))
				continue;
			best = c;
			best_all = all;
		}
	}
	return best ? best->id : 0;
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
static bool table_is_copied(struct table *t, int *owed, int percent)
{
	*owed += percent;
	if (*owed <= table_chance(t))
		return false;
	*owed -= 100;
	return true;
}

void table_copies(struct table *t, uint16_t port,
		  const struct rule_request *req, int64_t now,
		  table_copy_fn *fn, void *arg)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &t->clients) {
		struct table_client *c =
			container_of(n, struct table_client, node);
		size_t i = 0;

		if (!c->ncopies || !in_force(c, now))
			continue;
		while (i < c->n &&
		       !(c->rules[i].copy && c->rules[i].port == port &&
			 rule_match_has(&c->rules[i].match, req)))
			i++;
		if (i < c->n &&
		    table_is_copied(t, &c->owed[i], c->rules[i].copy))
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
		const struct rule *r = &c->rules[i];

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
		if (c->rules[i].port == port && c->rules[i].udp == udp)
			return true;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/envs.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/choice.h"
#include "router/table.h"
#include "shadow/envfile.h"
#include "shadow/origin.h"
#include "shadow/shadow.h"
#include "shadow/source.h"

#include <string.h>
#include <time.h>

#define ENVS_IDLE_NS (60 * NS_SEC)  /* an origin nobody asks is given up */
#define ENVS_LOGGED 5		    /* malformed lines of one table */
#define ENVS_EXPIRY_MAX (3600 * 24) /* s; a timer takes no more at once */

struct envs_origin {
	struct list node;
	struct origin *origin;
	uint16_t port;
	int64_t used;
};

/* of the member with the same number in the table */
struct envs_member {
	uint64_t id;
	int64_t down_until; /* 0: it has taken connections */
	struct list origins;
	unsigned int next; /* in by_id: number plus one */
};

struct envs {
	struct shadow *sh;
	struct envs_config cfg;
	char *service, *ns;
	struct sources *sources;
	struct envfile *file;
	struct envtable *table; /* NULL: nothing was read yet */
	struct envs_member *member;
	unsigned int *by_id; /* ids are found by their last bits */
	size_t by_id_mask;
	uint64_t last_id;
	int64_t born;
	size_t logged;
	struct timer expiry, idle;
};

static int64_t envs_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

static struct envs_member *envs_find(const struct envs *e, uint64_t id)
{
	unsigned int i = e->by_id ? e->by_id[id & e->by_id_mask] : 0;

	for (; i; i = e->member[i - 1].next)
		if (e->member[i - 1].id == id)
			return &e->member[i - 1];
	return NULL;
}

/* what the table says of it; NULL: it is over, be it here still */
static const struct envtable_member *envs_entry(const struct envs *e,
						uint64_t id)
{
	const struct envs_member *m = envs_find(e, id);
	const struct envtable_member *at =
		m ? envtable_at(e->table, (size_t)(m - e->member)) : NULL;

	return at ? envtable_find(e->table, at->env, envs_time()) : NULL;
}

static struct envs_member *envs_state(const struct envs *e,
				      const struct envtable_member *m)
{
	return &e->member[m - envtable_at(e->table, 0)];
}

bool envs_serves(const struct envs *e, uint64_t id)
{
	return envs_entry(e, id);
}

const char *envs_env(const struct envs *e, uint64_t id)
{
	const struct envtable_member *m = envs_entry(e, id);

	return m ? m->env : NULL;
}

void envs_failed(struct envs *e, uint64_t id)
{
	struct envs_member *m = envs_find(e, id);

	if (m)
		m->down_until = loop_now(e->sh->loop) + ENVS_DOWN_NS;
}

void envs_worked(struct envs *e, uint64_t id)
{
	struct envs_member *m = envs_find(e, id);

	if (m)
		m->down_until = 0;
}

/* one that has failed is tried by one request, while others do not wait */
static void envs_try(const struct envs *e, struct envs_member *m)
{
	if (m->down_until)
		m->down_until =
			loop_now(e->sh->loop) + ENVS_CONNECT_NS + ENVS_DOWN_NS;
}

bool envs_gathers(const struct envs *e)
{
	int64_t now = clock_ns(), time = envs_time();

	if (!e->table || loop_now(e->sh->loop) - e->born >= ENVS_GATHER_NS)
		return false;
	for (size_t i = 0; i < envtable_count(e->table); i++) {
		const struct envtable_member *m = envtable_at(e->table, i);

		if (m->local && envtable_find(e->table, m->env, time) == m &&
		    !table_env_here(e->sh->table, m->env, now))
			return true;
	}
	return false;
}

/* --- origins -------------------------------------------------------------- */

static void envs_origin_free(struct envs_origin *o)
{
	list_del(&o->node);
	origin_free(o->origin);
	free(o);
}

static void envs_origins_free(struct envs_member *m)
{
	while (!list_empty(&m->origins))
		envs_origin_free(container_of(m->origins.next,
					      struct envs_origin, node));
}

/* true: some are left */
static bool envs_origins_idle(struct envs_member *m, int64_t now)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &m->origins) {
		struct envs_origin *o =
			container_of(n, struct envs_origin, node);

		if (now - o->used >= ENVS_IDLE_NS)
			envs_origin_free(o);
	}
	return !list_empty(&m->origins);
}

static void envs_on_idle(struct timer *t)
{
	struct envs *e = container_of(t, struct envs, idle);
	bool some = false;

	for (size_t i = 0; e->table && i < envtable_count(e->table); i++)
		some |= envs_origins_idle(&e->member[i], loop_now(e->sh->loop));
	if (some)
		loop_timer_start(e->sh->loop, t, ENVS_IDLE_NS / 2,
				 envs_on_idle);
}

struct origin *envs_origin(struct envs *e, uint64_t id, uint16_t port)
{
	const struct envtable_member *entry = envs_entry(e, id);
	struct envs_origin *o = NULL;
	struct envs_member *m;
	struct list *n;

	if (!entry)
		return NULL;
	m = envs_state(e, entry);
	list_for_each (n, &m->origins)
		if (container_of(n, struct envs_origin, node)->port == port)
			o = container_of(n, struct envs_origin, node);
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (o)
			o->origin = origin_new(e->sh, entry->host, port);
		if (!o || !o->origin) {
			free(o);
			return NULL;
		}
		o->port = port;
		list_add_tail(&m->origins, &o->node);
	}
	o->used = loop_now(e->sh->loop);
	envs_try(e, m);
	if (!loop_timer_active(&e->idle))
		loop_timer_start(e->sh->loop, &e->idle, ENVS_IDLE_NS / 2,
				 envs_on_idle);
	return o->origin;
}

/* --- whose is it? --------------------------------------------------------- */

static bool envs_is_down(void *user, const struct envtable_member *m)
{
	const struct envs *e = user;

	return loop_now(e->sh->loop) < envs_state(e, m)->down_until;
}

/* not the user: names are not for other services' logs */
static const char *envs_who(const struct choice_made *c)
{
	if (*c->env)
		return c->env;
	return c->kind == BACKEND_CLIENT ? "all" : "trunk";
}

static void envs_say(const struct envs *e, const struct choice_made *c,
		     struct router_said *said)
{
	if (c->kind == BACKEND_DOWN)
		snprintf(said->text, sizeof(said->text),
			 "the member of environment %s for %s does not answer, "
			 "and the environment is strict",
			 c->missed, e->service);
	else
		snprintf(said->served_by, sizeof(said->served_by), "%s",
			 envs_who(c));
	snprintf(said->mark, sizeof(said->mark), "env:%s", c->missed);
}

struct backend_ref envs_choose(const struct envs *e, uint16_t port,
			       const struct rule_request *req,
			       const struct backend_ref *was,
			       struct router_said *said)
{
	const struct envtable_member *failed =
		was && was->kind == BACKEND_MEMBER ? envs_entry(e, was->id)
						   : NULL;
	const struct choice_ask ask = {
		.table = e->sh->table,
		.envs = e->table,
		.port = port,
		.req = req,
		.now = clock_ns(),
		.time = envs_time(),
		.below = failed ? strlen(failed->env) : 0,
		.down = envs_is_down,
		.user = (void *)(uintptr_t)e,
	};
	struct choice_made c;

	choice_make(&ask, &c);
	if (c.missed[0])
		envs_say(e, &c, said);
	return (struct backend_ref){
		.kind = c.kind,
		.id = c.kind == BACKEND_MEMBER ? envs_state(e, c.member)->id
					       : c.client,
	};
}

/* --- the table ------------------------------------------------------------ */

static void envs_on_drop(void *user, size_t n, const char *why)
{
	struct envs *e = user;

	if (e->logged++ < ENVS_LOGGED)
		log_warn("%s: line %zu: %s", e->cfg.file, n, why);
}

static void envs_on_expiry(struct timer *t);

static void envs_await_expiry(struct envs *e)
{
	int64_t now = envs_time();
	int64_t next = envtable_next_expiry(e->table, now);

	loop_timer_stop(&e->expiry);
	if (next)
		loop_timer_start(e->sh->loop, &e->expiry,
				 MIN(next - now, ENVS_EXPIRY_MAX) * NS_SEC,
				 envs_on_expiry);
}

static void envs_on_expiry(struct timer *t)
{
	struct envs *e = container_of(t, struct envs, expiry);

	e->cfg.sweep(e->cfg.user);
	envs_await_expiry(e);
}

/* what is known of the same member goes on */
static void envs_inherit(struct envs *e, struct envs_member *m,
			 const struct envtable_member *entry)
{
	const struct envtable_member *old =
		e->table ? envtable_find(e->table, entry->env, 0) : NULL;
	struct envs_member *from =
		old && strcmp(old->host, entry->host) == 0 &&
				strcmp(old->join, entry->join) == 0
			? envs_state(e, old)
			: NULL;

	list_init(&m->origins);
	if (!from) {
		m->id = ++e->last_id;
		return;
	}
	m->id = from->id;
	m->down_until = from->down_until;
	while (!list_empty(&from->origins)) {
		struct list *n = from->origins.next;

		list_del(n);
		list_add_tail(&m->origins, n);
	}
}

static void envs_forget(struct envs *e)
{
	for (size_t i = 0; e->table && i < envtable_count(e->table); i++)
		envs_origins_free(&e->member[i]);
	envtable_free(e->table);
	free(e->member);
	free(e->by_id);
}

static void envs_index(struct envs *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned int *at = &e->by_id[e->member[i].id & e->by_id_mask];

		e->member[i].next = *at;
		*at = (unsigned int)i + 1;
	}
}

static void envs_on_changed(void *user, struct slice text)
{
	struct envs *e = user, fresh = *e;
	size_t n, buckets = 16;

	e->logged = 0;
	fresh.table = envtable_new(text, e->service, envs_on_drop, e);
	if (e->logged > ENVS_LOGGED)
		log_warn("%s: %zu lines are malformed", e->cfg.file, e->logged);
	if (!fresh.table)
		return;
	n = envtable_count(fresh.table);
	while (buckets < n)
		buckets *= 2;
	fresh.member = calloc(MAX(n, (size_t)1), sizeof(*fresh.member));
	fresh.by_id = calloc(buckets, sizeof(*fresh.by_id));
	if (!fresh.member || !fresh.by_id) {
		envtable_free(fresh.table);
		free(fresh.member);
		free(fresh.by_id);
		return;
	}
	for (size_t i = 0; i < n; i++)
		envs_inherit(e, &fresh.member[i], envtable_at(fresh.table, i));
	envs_forget(e);
	e->table = fresh.table;
	e->member = fresh.member;
	e->by_id = fresh.by_id;
	e->by_id_mask = buckets - 1;
	envs_index(e, n);
	log_info("environments: %zu members for %s", n, e->service);
	envs_await_expiry(e);
	sources_changed(e->sources);
	e->cfg.sweep(e->cfg.user);
}

void envs_each(const struct envs *e, void (*fn)(void *user, const char *env),
	       void *user)
{
	int64_t now = envs_time();

	for (size_t i = 0; e->table && i < envtable_count(e->table); i++) {
		const char *env = envtable_at(e->table, i)->env;

		if (envtable_find(e->table, env, now))
			fn(user, env);
	}
}

/* --- whose Pods ----------------------------------------------------------- */

const char *envs_header(const struct envs *e)
{
	return e->table ? envtable_header(e->table, envs_time()) : NULL;
}

const char *envs_source(const struct envs *e, struct slice label)
{
	return e->table ? envtable_source(e->table, label, envs_time()) : NULL;
}

bool envs_has_sources(const struct envs *e)
{
	return e->table && envtable_has_sources(e->table);
}

struct sources *envs_sources(const struct envs *e)
{
	return e->sources;
}

/* --- life ----------------------------------------------------------------- */

bool envs_service_good(const char *text)
{
	struct slice rest = slice_of(text), service;

	/* two labels, of which an environment's name could consist */
	return slice_cut(&rest, '.', &service) && envmark_is_name(service) &&
	       envmark_is_name(rest) && !memchr(rest.p, '.', rest.n);
}

struct envs *envs_new(struct shadow *sh, const struct envs_config *cfg)
{
	struct envs *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->sh = sh;
	e->born = loop_now(sh->loop);
	e->cfg = *cfg;
	e->service = xstrdup(cfg->service);
	e->ns = e->service + strcspn(e->service, ".");
	*e->ns++ = '\0';
	e->sources = sources_new(sh, e, e->ns);
	if (e->sources)
		e->file = envfile_new(sh->loop, cfg->file, ENVTABLE_BYTES,
				      envs_on_changed, e);
	if (e->file)
		return e;
	envs_free(e);
	return NULL;
}

void envs_free(struct envs *e)
{
	if (!e)
		return;
	envfile_free(e->file);
	loop_timer_stop(&e->expiry);
	loop_timer_stop(&e->idle);
	sources_free(e->sources);
	envs_forget(e);
	free(e->service);
	loop_defer_free(e->sh->loop, e);
}

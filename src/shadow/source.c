/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/source.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "shadow/envs.h"
#include "shadow/nameserver.h"
#include "shadow/shadow.h"
#include "wire/dns.h"
#include "wire/envtable.h"

#include <string.h>

#define SOURCE_BUCKETS 512 /* power of two */

struct source {
	struct list node; /* of its bucket */
	struct list kept; /* of those without a connection */
	struct list uses;
	struct sources *all;
	struct ipaddr addr;
	struct nameserver_query *query;
	bool slow;     /* somebody has waited for it in vain */
	int64_t until; /* what is known is good; 0: nothing is */
	int64_t heard; /* the last answer that says something */
	char label[SOURCE_LABELS][ENVTABLE_LABEL];
	size_t n;
};

struct sources {
	struct shadow *sh;
	const struct envs *envs;
	const char *ns;
	struct list bucket[SOURCE_BUCKETS];
	struct list kept; /* the last used first */
	size_t nkept;
};

/* --- entries -------------------------------------------------------------- */

static struct list *source_bucket(struct sources *s, const struct ipaddr *addr)
{
	uint64_t h = hash_bytes(addr->b, ipaddr_size(addr));

	return &s->bucket[h & (SOURCE_BUCKETS - 1)];
}

static void source_free(struct source *src)
{
	if (src->query)
		nameserver_cancel(src->query);
	list_del(&src->node);
	list_del(&src->kept);
	free(src);
}

/* it has no connection (any more) */
static void source_keep(struct source *src)
{
	struct sources *s = src->all;

	list_add_head(&s->kept, &src->kept);
	if (++s->nkept <= SOURCE_KEPT)
		return;
	s->nkept--;
	source_free(container_of(s->kept.prev, struct source, kept));
}

static struct source *source_find(struct sources *s, const struct ipaddr *addr)
{
	struct list *at = source_bucket(s, addr), *n;

	list_for_each (n, at) {
		struct source *src = container_of(n, struct source, node);

		if (ipaddr_eq(&src->addr, addr))
			return src;
	}
	return NULL;
}

static struct source *source_get(struct sources *s, const struct ipaddr *addr)
{
	struct source *src = source_find(s, addr);

	if (src)
		return src;
	src = calloc(1, sizeof(*src));
	if (!src)
		return NULL;
	src->all = s;
	src->addr = *addr;
	list_init(&src->uses);
	list_init(&src->kept);
	list_add_head(source_bucket(s, addr), &src->node);
	source_keep(src);
	return src;
}

static const char *source_env(const struct source *src)
{
	const char *env = NULL;

	for (size_t i = 0; i < src->n && !env; i++)
		env = envs_source(src->all->envs, slice_of(src->label[i]));
	return env;
}

/* An address without a connection may be another Pod's by now: what was known
 * of it holds as long as it is good, not until there is something better. */
static void source_expire(struct source *src)
{
	if (list_empty(&src->uses) &&
	    src->until <= loop_now(src->all->sh->loop))
		src->n = 0;
}

/* --- asking --------------------------------------------------------------- */

/* the labels of POD.SERVICE.NAMESPACE.svc... */
static void source_take_name(struct source *src, struct dns_name *name)
{
	struct slice label[4];
	const uint8_t *p = name->b;
	size_t n = 0;

	dns_name_lower(name);
	for (; n < ARRAY_SIZE(label) && *p; p += *p + 1)
		label[n++] = slice_make(p + 1, *p);
	if (n < ARRAY_SIZE(label) || !slice_is(label[2], src->all->ns) ||
	    !slice_is(label[3], "svc") || src->n == SOURCE_LABELS)
		return;
	/* what could not be in the table need not be asked for */
	if (!envs_source(src->all->envs, label[1]) ||
	    label[1].n >= sizeof(src->label[0]))
		return;
	memcpy(src->label[src->n], label[1].p, label[1].n);
	src->label[src->n++][label[1].n] = '\0';
}

/* false: it says nothing */
static bool source_take_reply(struct source *src, const uint8_t *msg,
			      size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;
	struct dns_hdr h;

	if (dns_hdr_read(&h, msg, len) < 0 ||
	    (dns_hdr_rcode(&h) != DNS_NOERROR &&
	     dns_hdr_rcode(&h) != DNS_NXDOMAIN) ||
	    dns_walk_start(&w, msg, len) < 0)
		return false;
	src->n = 0;
	while (dns_walk_next(&w, &rr) == 1) {
		size_t at = rr.rdata;
		struct dns_name name;

		if (rr.section == DNS_ANSWER && rr.type == DNS_PTR &&
		    dns_name_read(msg, len, &at, &name) == 0)
			source_take_name(src, &name);
	}
	return true;
}

static void source_tell(struct source *src)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &src->uses) {
		struct source_use *u = container_of(n, struct source_use, node);
		void (*known)(void *user) = u->known;

		u->known = NULL;
		loop_timer_stop(&u->limit);
		if (known)
			known(u->user);
	}
}

static void source_on_reply(void *user, int err, const uint8_t *msg, size_t len)
{
	struct source *src = user;
	int64_t now = loop_now(src->all->sh->loop);
	bool good = err == 0 && source_take_reply(src, msg, len);
	char at[IPADDR_STRLEN];
	const char *env;

	src->query = NULL;
	src->slow = false;
	/* without an answer what was known holds, but not for ever */
	if (good)
		src->heard = now;
	else if (now - src->heard > 2 * SOURCE_KNOWN_NS)
		src->n = 0;
	env = source_env(src);
	log_debug("caller %s: %s", ipaddr_str(&src->addr, at),
		  env ? env : "of no environment");
	src->until = now + (good && env ? SOURCE_KNOWN_NS : SOURCE_OTHER_NS);
	source_tell(src);
}

/* true: what is known is good, or will never be better */
static bool source_refresh(struct source *src)
{
	struct sources *s = src->all;
	struct dns_query q = { .flags = DNS_RD,
			       .type = DNS_PTR,
			       .klass = DNS_IN };
	uint8_t msg[512];
	ssize_t n;

	if (src->until && loop_now(s->sh->loop) < src->until)
		return true;
	if (src->query)
		return false;
	dns_name_reverse(&q.name, &src->addr);
	n = dns_query_build(&q, msg, sizeof(msg));
	if (n > 0)
		src->query = nameserver_ask(s->sh->names, msg, (size_t)n, false,
					    source_on_reply, src);
	return !src->query;
}

/* --- connections ---------------------------------------------------------- */

static void source_on_limit(struct timer *t)
{
	struct source_use *u = container_of(t, struct source_use, limit);
	void (*known)(void *user) = u->known;

	u->known = NULL;
	u->source->slow = true;
	if (known)
		known(u->user);
}

bool sources_use(struct sources *s, struct source_use *u,
		 const struct ipaddr *addr, void (*known)(void *user),
		 void *user)
{
	struct source *src =
		envs_has_sources(s->envs) ? source_get(s, addr) : NULL;

	*u = (struct source_use){ 0 };
	if (!src)
		return true;
	source_expire(src);
	if (list_empty(&src->uses)) {
		list_del(&src->kept);
		list_init(&src->kept);
		s->nkept--;
	}
	u->source = src;
	list_add_tail(&src->uses, &u->node);
	if (source_refresh(src) || src->slow)
		return true;
	u->known = known;
	u->user = user;
	loop_timer_start(s->sh->loop, &u->limit, SOURCE_WAIT_NS,
			 source_on_limit);
	return false;
}

void source_use_end(struct source_use *u)
{
	struct source *src = steal_ptr(&u->source);

	u->known = NULL;
	loop_timer_stop(&u->limit);
	if (!src)
		return;
	list_del(&u->node);
	if (list_empty(&src->uses))
		source_keep(src);
}

const char *sources_env(struct sources *s, const struct ipaddr *addr)
{
	struct source *src =
		envs_has_sources(s->envs) ? source_get(s, addr) : NULL;

	if (!src)
		return NULL;
	source_expire(src);
	(void)!source_refresh(src);
	return source_env(src);
}

void sources_changed(struct sources *s)
{
	struct list *n;

	for (size_t i = 0; i < SOURCE_BUCKETS; i++)
		list_for_each (n, &s->bucket[i]) {
			struct source *src =
				container_of(n, struct source, node);

			if (!source_env(src))
				src->until = 0;
		}
}

struct sources *sources_new(struct shadow *sh, const struct envs *envs,
			    const char *ns)
{
	struct sources *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sh = sh;
	s->envs = envs;
	s->ns = ns;
	list_init(&s->kept);
	for (size_t i = 0; i < SOURCE_BUCKETS; i++)
		list_init(&s->bucket[i]);
	return s;
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SOURCE_BUCKETS; i++)
		while (!list_empty(&s->bucket[i]))
			source_free(container_of(s->bucket[i].next,
						 struct source, node));
	free(s);
}

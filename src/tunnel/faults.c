/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/faults.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PATIENCE (30 * NS_SEC)

struct faults {
	struct loop *loop;
	struct tunnel *tunnel;
	struct hash_key key;
	uint64_t draws;
	size_t n;
	struct fault v[FAULTS_MAX];
	struct fault_name name[FAULTS_MAX]; /* of those that have one */
	struct strv search;
	bool info_done, known;
	int info_error;
};

struct faults *faults_new(struct loop *loop, struct tunnel *t,
			  const struct fault_list *list, uint64_t seed)
{
	struct faults *f;

	if (!list->n)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->loop = loop;
	f->tunnel = t;
	f->n = MIN(list->n, (size_t)FAULTS_MAX);
	memcpy(f->v, list->v, f->n * sizeof(*f->v));
	f->key = (struct hash_key){ seed, ~seed };
	if (!seed && getrandom(&f->key, sizeof(f->key), 0) < 0)
		f->key.a = (uint64_t)clock_ns();
	return f;
}

void faults_stop(struct faults *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		fault_name_stop(&f->name[i]);
}

void faults_free(struct faults *f)
{
	if (!f)
		return;
	faults_stop(f);
	strv_fini(&f->search);
	loop_defer_free(f->loop, f);
}

/* --- the start ------------------------------------------------------------ */

static void faults_on_info(void *user, int error,
			   const struct tunnel_info *info)
{
	struct faults *f = user;

	for (size_t i = 0; !error && i < info->search.n; i++)
		strv_add(&f->search, info->search.v[i]);
	f->info_error = error;
	f->info_done = true;
}

static void faults_on_name(void *user)
{
	struct faults *f = user;
	bool known = true;

	for (size_t i = 0; i < f->n; i++)
		known &= !f->v[i].name[0] || f->name[i].known;
	f->known = known;
}

static int faults_check(const struct faults *f, struct kt_error *err)
{
	for (size_t i = 0; i < f->n; i++) {
		const char *name = f->v[i].name;

		if (!*name || !f->name[i].error)
			continue;
		if (f->name[i].error != -ENOENT)
			return kt_fail(err, EAGAIN,
				       "--fault: the cluster's DNS has no "
				       "answer for %s",
				       name);
		kt_hint(err, "a target is NAME, NAME.NAMESPACE or any name "
			     "that the cluster resolves; a Pod without one is "
			     "told by its address");
		return kt_fail(err, ENOENT,
			       "--fault: the cluster's DNS knows no name %s",
			       name);
	}
	return 0;
}

static bool faults_have_names(const struct faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].name[0])
			return true;
	return false;
}

static int faults_resolve(struct faults *f, struct kt_error *err)
{
	int rc = tunnel_info_get(f->tunnel, faults_on_info, f);

	if (rc == 0)
		rc = loop_run_until(f->loop, &f->info_done, PATIENCE);
	if (rc == 0)
		rc = f->info_error;
	if (rc < 0)
		return kt_fail(err, -rc, "--fault: ask the shadow: %s",
			       strerror(-rc));
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].name[0])
			fault_name_start(&f->name[i], f->loop, f->tunnel,
					 &f->search, f->v[i].name,
					 faults_on_name, f);
	faults_on_name(f);
	rc = loop_run_until(f->loop, &f->known, PATIENCE);
	if (rc < 0)
		return kt_fail(err, -rc, "--fault: resolve names: %s",
			       strerror(-rc));
	return faults_check(f, err);
}

int faults_start(struct faults *f, struct kt_error *err)
{
	return f && faults_have_names(f) ? faults_resolve(f, err) : 0;
}

/* --- what is said --------------------------------------------------------- */

void faults_say(const struct faults *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		log_info("fault in force: %s", f->v[i].text);
}

void faults_say_hits(const struct faults *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		log_info("fault %s: has hit %llu times", f->v[i].text,
			 (unsigned long long)f->v[i].hits);
}

const struct fault *faults_list(const struct faults *f, size_t *n)
{
	*n = f ? f->n : 0;
	return f ? f->v : NULL;
}

/* --- who is hit ----------------------------------------------------------- */

uint64_t faults_random(struct faults *f)
{
	f->draws++;
	return hash_keyed(&f->key, &f->draws, sizeof(f->draws));
}

static bool faults_is_about(const struct faults *f, size_t i, const char *host,
			    const struct ipaddr *addr)
{
	const struct fault *v = &f->v[i];

	if (v->all)
		return true;
	if (v->name[0])
		return f->name[i].known &&
		       fault_name_is(&f->name[i], host, addr);
	return !(host && *host) && v->range.addr.family == addr->family &&
	       ipprefix_has(&v->range, addr);
}

static bool faults_goes(const struct fault *v, enum fault_way way)
{
	switch (way) {
	case FAULT_OUT:
		return v->rate || v->act != FAULT_SLOW;
	case FAULT_BACK:
		return v->act == FAULT_SLOW;
	default:
		return true;
	}
}

const struct fault *faults_pick(struct faults *f, enum fault_proto proto,
				enum fault_way way, const char *host,
				const struct ipport *to)
{
	for (size_t i = 0; f && i < f->n; i++) {
		struct fault *v = &f->v[i];

		if (!fault_is_at(v, proto, to->port) || !faults_goes(v, way) ||
		    !faults_is_about(f, i, host, &to->addr) ||
		    faults_random(f) % 100 >= v->percent)
			continue;
		v->hits++;
		return v;
	}
	return NULL;
}

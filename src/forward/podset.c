/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/podset.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "forward/choose.h"
#include "kube/rest.h"
#include "kube/watch.h"

#include <errno.h>

struct podset {
	struct loop *loop;
	struct kube_watch *watch;
	enum podset_rule rule;
	json_t *pods; /* name: object */
	size_t turn;
	bool known, lost;
	void (*changed)(void *user);
	void *user;
};

/* --- one Pod -------------------------------------------------------------- */

static bool podset_takes(const struct podset *p, const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);
	struct ipaddr a;
	const char *ip = json_str(pod, "status", "podIP", NULL);

	if (!ip || ipaddr_parse(&a, ip) < 0)
		return false;
	switch (p->rule) {
	case PODSET_READY:
		return object_pod_is_ready(pod);
	case PODSET_RUNNING:
		return str_eq(phase, "Running");
	case PODSET_ADDRESS:
		return str_eq(phase, "Running") || str_eq(phase, "Pending");
	}
	return false;
}

/* --- following ------------------------------------------------------------ */

static void podset_on_event(void *user, enum kube_event type, json_t *obj)
{
	struct podset *p = user;

	if (type == KUBE_SYNCED)
		p->known = true;
	else if (type == KUBE_DELETED)
		json_object_del(p->pods, object_name(obj));
	else
		json_object_set(p->pods, object_name(obj), obj);
	if (p->known)
		p->changed(p->user);
}

static void podset_on_failed(void *user, const struct kt_error *why)
{
	struct podset *p = user;

	log_debug("Pods cannot be followed: %s", why->msg);
	p->lost = true;
	p->changed(p->user);
}

struct podset *podset_start(struct kube *k, const char *ns, const char *query,
			    enum podset_rule rule, void (*changed)(void *user),
			    void *user)
{
	static const struct kube_watch_handler handler = {
		.event = podset_on_event,
		.failed = podset_on_failed,
	};
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	struct podset *p = xcalloc(1, sizeof(*p));

	p->loop = kube_loop(k);
	p->rule = rule;
	p->pods = json_object();
	p->changed = changed;
	p->user = user;
	p->watch = kube_watch_start(k, path, query, &handler, p);
	return p;
}

void podset_stop(struct podset *p)
{
	if (!p)
		return;
	kube_watch_stop(p->watch);
	json_decref(p->pods);
	loop_defer_free(p->loop, p);
}

bool podset_known(const struct podset *p)
{
	return p->known;
}

bool podset_lost(const struct podset *p)
{
	return p->lost;
}

bool podset_takes_callers(const struct podset *p)
{
	const char *name;
	json_t *pod;

	json_object_foreach (p->pods, name, pod)
		if (podset_takes(p, pod))
			return true;
	return false;
}

bool podset_has(const struct podset *p, const struct ipaddr *addr)
{
	struct ipaddr a;
	const char *name;
	json_t *pod;

	json_object_foreach (p->pods, name, pod)
		if (podset_takes(p, pod) &&
		    ipaddr_parse(&a, json_str(pod, "status", "podIP", NULL)) ==
			    0 &&
		    ipaddr_eq(&a, addr))
			return true;
	return false;
}

/* --- choosing ------------------------------------------------------------- */

static bool podset_reach(const json_t *pod, uint16_t number, const char *name,
			 bool udp, struct ipport *to)
{
	*to = (struct ipport){ .port = number };
	if (!number)
		to->port = choose_pod_port(json_object_get(pod, "spec"), name,
					   udp);
	return to->port &&
	       ipaddr_parse(&to->addr,
			    json_str(pod, "status", "podIP", NULL)) == 0;
}

int podset_pick(struct podset *p, uint16_t number, const char *name, bool udp,
		struct ipport *to)
{
	struct ipport at, last = { 0 };
	size_t n = 0, want;
	const char *key;
	json_t *pod;

	/* twice: how many there are, then the one whose turn it is */
	json_object_foreach (p->pods, key, pod)
		if (!object_is_ending(pod) && podset_takes(p, pod) &&
		    podset_reach(pod, number, name, udp, &at))
			n++;
	want = n ? p->turn++ % n : 0;
	json_object_foreach (p->pods, key, pod) {
		if (!podset_takes(p, pod) ||
		    !podset_reach(pod, number, name, udp, &at))
			continue;
		last = at;
		if (!object_is_ending(pod) && want-- == 0)
			break;
	}
	if (!last.port)
		return -ECONNREFUSED;
	*to = last;
	return 0;
}

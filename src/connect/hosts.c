/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/hosts.h"

#include "base/log.h"
#include "base/mem.h"
#include "cluster/objset.h"
#include "dns/hosts.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define RETRY (200 * NS_MS)
#define FIRST_LIMIT (20 * NS_SEC)

/** struct space - one namespace */
struct space {
	struct hosts_mode *mode;
	char *ns;
	struct objset *services, *pods;
	bool services_known, pods_known;
};

struct hosts_mode {
	struct loop *loop;
	char *own_ns, *domain;
	struct hosts file;
	struct space *space;
	size_t nspaces;
	struct timer retry;
	bool written;
	bool ready; /* written, or tried to: the start is over */
};

/* --- from objects to lines ------------------------------------------------ */

static bool selects(const json_t *selector, const json_t *pod)
{
	const json_t *labels = json_at(pod, "metadata", "labels", NULL);
	const char *key;
	json_t *value;

	if (!json_object_size(selector))
		return false;
	json_object_foreach ((json_t *)(uintptr_t)selector, key, value) {
		if (!json_equal(json_object_get(labels, key), value))
			return false;
	}
	return true;
}

/* The address of the first running Pod that a headless Service selects. */
static const char *first_pod(const struct space *s, const json_t *svc)
{
	const json_t *selector = json_at(svc, "spec", "selector", NULL);
	const char *key;
	json_t *pod;

	json_object_foreach ((json_t *)(uintptr_t)objset_items(s->pods), key,
			     pod) {
		const char *ip = json_str(pod, "status", "podIP", NULL);

		if (ip && selects(selector, pod) &&
		    str_eq(json_str(pod, "status", "phase", NULL), "Running"))
			return ip;
	}
	return NULL;
}

static void add_service(struct hosts_list *list, const struct space *s,
			const json_t *svc)
{
	const char *name = json_str(svc, "metadata", "name", NULL);
	const char *text = json_str(svc, "spec", "clusterIP", NULL);
	struct ipaddr ip;

	if (str_eq(text, "None"))
		text = first_pod(s, svc);
	if (name && text && ipaddr_parse(&ip, text) == 0)
		hosts_list_add(list, &ip, name, s->ns, s->mode->domain,
			       str_eq(s->ns, s->mode->own_ns));
}

static void connect_hosts_on_retry(struct timer *t);

static void write_block(struct hosts_mode *m)
{
	struct hosts_list list = { 0 };
	struct kt_error err = { 0 };
	const char *key;
	json_t *svc;
	int rc;

	for (size_t i = 0; i < m->nspaces; i++) {
		if (!m->space[i].services_known)
			continue;
		json_object_foreach (
			(json_t *)(uintptr_t)objset_items(m->space[i].services),
			key, svc) {
			add_service(&list, &m->space[i], svc);
		}
	}
	rc = hosts_update(&m->file, &list, &err);
	hosts_list_fini(&list);
	if (rc == -EAGAIN) {
		loop_timer_start(m->loop, &m->retry, RETRY,
				 connect_hosts_on_retry);
		return;
	}
	if (rc < 0)
		log_warn("%s", err.msg);
	m->written = m->written || rc == 0;
	m->ready = true;
}

static void connect_hosts_on_retry(struct timer *t)
{
	write_block(container_of(t, struct hosts_mode, retry));
}

static void write_when_known(struct hosts_mode *m)
{
	for (size_t i = 0; i < m->nspaces; i++)
		if (!m->space[i].services_known || !m->space[i].pods_known)
			return;
	write_block(m);
}

static void connect_hosts_on_services(void *user)
{
	struct space *s = user;

	s->services_known = true;
	write_when_known(s->mode);
}

static void connect_hosts_on_services_lost(void *user)
{
	struct space *s = user;

	log_warn("the Services of namespace %s may not be watched: its names "
		 "are not in the hosts file",
		 s->ns);
	s->services_known = true;
	write_when_known(s->mode);
}

static void connect_hosts_on_pods(void *user)
{
	struct space *s = user;

	s->pods_known = true;
	write_when_known(s->mode);
}

/* --- begin and end * ------------------------------------------------------ */

static void start_space(struct hosts_mode *m, struct space *s, const char *ns,
			struct kube *k)
{
	static const struct objset_ops services = {
		.changed = connect_hosts_on_services,
		.lost = connect_hosts_on_services_lost
	};
	/* without the Pods only the headless Services are missing */
	static const struct objset_ops pods = { .changed =
							connect_hosts_on_pods,
						.lost = connect_hosts_on_pods };
	auto_free char *svc_path = kube_path("v1", "services", ns, NULL, NULL);
	auto_free char *pod_path = kube_path("v1", "pods", ns, NULL, NULL);

	s->mode = m;
	s->ns = xstrdup(ns);
	s->services = objset_start(k, svc_path, &services, s);
	s->pods = objset_start(k, pod_path, &pods, s);
}

/* A home that nothing can be written to is no hindrance */
static void open_file(struct hosts *file, const struct home *home)
{
	struct kt_error err = { 0 };
	auto_close int lock = home_open_dir(home, "lock", 1, &err);

	if (lock < 0)
		log_debug("%s", err.msg);
	hosts_init(file, home->dir, home->uid, home->gid);
}

int hosts_mode_start(struct hosts_mode **out,
		     const struct hosts_mode_config *cfg, struct kt_error *err)
{
	struct hosts_mode *m = xcalloc(1, sizeof(*m));
	size_t n = cfg->list->n ? cfg->list->n : 1;
	int rc;

	open_file(&m->file, cfg->home);
	m->loop = cfg->loop;
	m->own_ns = xstrdup(cfg->own_ns);
	m->domain = xstrdup(cfg->domain);
	m->space = xcalloc(n, sizeof(*m->space));
	m->nspaces = n;
	for (size_t i = 0; i < n; i++)
		start_space(m, &m->space[i],
			    cfg->list->n ? cfg->list->v[i] : cfg->own_ns,
			    cfg->kube);
	*out = m;
	rc = loop_run_until(cfg->loop, &m->ready, FIRST_LIMIT);
	if (rc < 0)
		return kt_fail(err, -rc, "list the Services for %s: %s",
			       m->file.path, strerror(-rc));
	if (!m->written)
		return kt_fail(err, EACCES, "write %s", m->file.path);
	return 0;
}

void hosts_mode_stop(struct hosts_mode *m)
{
	struct kt_error err = { 0 };

	if (!m)
		return;
	loop_timer_stop(&m->retry);
	for (size_t i = 0; i < m->nspaces; i++) {
		objset_stop(m->space[i].services);
		objset_stop(m->space[i].pods);
		free(m->space[i].ns);
	}
	if (hosts_remove(&m->file, m->loop, &err) < 0)
		log_warn("%s", err.msg);
	hosts_fini(&m->file);
	free(m->space);
	free(m->own_ns);
	free(m->domain);
	free(m);
}

void hosts_mode_clean(struct loop *loop, const struct home *home)
{
	struct kt_error err = { 0 };
	struct hosts file;
	int rc;

	open_file(&file, home);
	rc = hosts_remove_stale(&file, loop, &err);
	if (rc > 0)
		log_info("took out of %s what a killed ktctl had left",
			 file.path);
	else if (rc < 0)
		log_warn("%s", err.msg);
	hosts_fini(&file);
}

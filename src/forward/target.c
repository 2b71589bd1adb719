/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/target.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/object_watch.h"
#include "forward/podset.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *api, *resource;
} target_where[] = {
	[SUBJECT_SERVICE] = { "v1", "services" },
	[SUBJECT_DEPLOYMENT] = { "apps/v1", "deployments" },
	[SUBJECT_STATEFULSET] = { "apps/v1", "statefulsets" },
	[SUBJECT_POD] = { "v1", "pods" },
};

/* --- selectors ------------------------------------------------------------ */

static char *target_join(char *text, char *more)
{
	char *both;

	if (!text)
		return more;
	both = xasprintf("%s,%s", text, more);
	free(text);
	free(more);
	return both;
}

/* "k in (a,b)", "k notin (a)", "k", "!k" of a matchExpression */
static char *target_expression(const json_t *e)
{
	const char *key = json_str(e, "key", NULL);
	const char *op = json_str(e, "operator", NULL);
	const json_t *value;
	char *list = NULL, *text;
	size_t i;

	if (!key || !op)
		return NULL;
	if (strcmp(op, "Exists") == 0)
		return xstrdup(key);
	if (strcmp(op, "DoesNotExist") == 0)
		return xasprintf("!%s", key);
	json_array_foreach (json_object_get(e, "values"), i, value)
		list = target_join(list,
				   xstrdup(json_string_value(value)
						   ? json_string_value(value)
						   : ""));
	text = xasprintf("%s %s (%s)", key,
			 strcmp(op, "In") == 0 ? "in" : "notin",
			 list ? list : "");
	free(list);
	return text;
}

char *target_query(const json_t *selector)
{
	auto_free char *text = NULL;
	const json_t *e;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach (json_object_get(selector, "matchLabels"), key,
			     value)
		text = target_join(text,
				   xasprintf("%s=%s", key,
					     json_string_value(value)
						     ? json_string_value(value)
						     : ""));
	json_array_foreach (json_object_get(selector, "matchExpressions"), i,
			    e) {
		char *more = target_expression(e);

		if (more)
			text = target_join(text, more);
	}
	return text ? kube_query(NULL, "labelSelector", text) : NULL;
}

/* --- Services ------------------------------------------------------------- */

/* Where callers of the Service @s go. */
static void target_take_service(struct target_watch *t, const json_t *s)
{
	const char *ip = json_str(s, "spec", "clusterIP", NULL);
	const char *other = json_str(s, "spec", "externalName", NULL);
	struct service_ports ports = { 0 };
	struct kt_error why = { 0 };

	if (service_ports_make(&ports, s, NULL, &why) < 0)
		log_debug("%s: %s", t->asked->text, why.msg);
	service_ports_fini(&t->ports);
	t->ports = ports;
	t->host[0] = '\0';
	if (str_eq(json_str(s, "spec", "type", NULL), "ExternalName")) {
		t->way = TARGET_HOST;
		snprintf(t->host, sizeof(t->host), "%s", other ? other : "");
	} else if (ip && ipaddr_parse(&t->addr, ip) == 0) {
		t->way = TARGET_ADDRESS;
	} else if (json_object_size(json_at(s, "spec", "selector", NULL))) {
		t->way = TARGET_PODS;
	} else { /* headless, and somebody keeps its addresses */
		t->way = TARGET_HOST;
		snprintf(t->host, sizeof(t->host), "%s.%s.svc",
			 t->asked->subject.name, t->ns);
	}
}

static int target_read(struct target_watch *t, struct kt_error *err)
{
	const struct subject *s = &t->asked->subject;
	auto_free char *path =
		kube_path(target_where[s->kind].api,
			  target_where[s->kind].resource, t->ns, s->name, NULL);
	int rc = kube_get(t->kube, path, &t->object, err);

	if (rc == -ENOENT)
		kt_hint(err, "'kubectl -n %s get %s' shows what there is",
			t->ns, target_where[s->kind].resource);
	return rc < 0 ? kt_wrap(err, rc, "%s %s/%s", subject_kind_name(s->kind),
				t->ns, s->name)
		      : 0;
}

/* A Service of another namespace, which may not be read, has its name. */
static bool target_is_only_a_name(struct target_watch *t, int rc)
{
	const struct forward_target *a = t->asked;

	if (a->kind == FORWARD_MAYBE && (rc == -ENOENT || rc == -EPERM)) {
		snprintf(t->host, sizeof(t->host), "%s", a->host);
		return true;
	}
	if (rc != -EPERM || a->subject.kind != SUBJECT_SERVICE ||
	    !a->subject.ns[0])
		return false;
	snprintf(t->host, sizeof(t->host), "%s.%s.svc", a->subject.name, t->ns);
	return true;
}

static int target_look_object(struct target_watch *t, const char *ns,
			      struct kt_error *err)
{
	const struct subject *s = &t->asked->subject;
	int rc;

	snprintf(t->ns, sizeof(t->ns), "%s", s->ns[0] ? s->ns : ns);
	rc = target_read(t, err);
	if (rc < 0 && target_is_only_a_name(t, rc)) {
		log_debug("%s: taken as a name: %s", t->asked->text, err->msg);
		*err = (struct kt_error){ 0 };
		t->way = TARGET_HOST;
		return 0;
	}
	if (rc < 0)
		return rc;
	t->is_service = s->kind == SUBJECT_SERVICE;
	if (!t->is_service) {
		t->way = TARGET_PODS;
		return 0;
	}
	target_take_service(t, t->object);
	if (!t->ports.n && t->way != TARGET_HOST)
		return kt_fail(err, EINVAL,
			       "Service %s/%s has no TCP or UDP port", t->ns,
			       s->name);
	return 0;
}

int target_look(struct target_watch *t, struct kube *k, const char *ns,
		const struct forward_target *asked, struct kt_error *err)
{
	*t = (struct target_watch){ .asked = asked, .kube = k };
	switch (asked->kind) {
	case FORWARD_ADDRESS:
		t->way = TARGET_ADDRESS;
		t->addr = asked->addr;
		return 0;
	case FORWARD_HOST:
		t->way = TARGET_HOST;
		snprintf(t->host, sizeof(t->host), "%s", asked->host);
		return 0;
	case FORWARD_OBJECT:
	case FORWARD_MAYBE:
		break;
	}
	return target_look_object(t, ns, err);
}

void target_fini(struct target_watch *t)
{
	object_watch_stop(t->watch);
	kube_request_cancel(t->reading);
	podset_stop(t->pods);
	json_decref(t->object);
	json_decref(t->selector);
	service_ports_fini(&t->ports);
}

int target_choose(const struct target_watch *t, struct forward_choice *c,
		  const struct forward_port *asked, struct kt_error *err)
{
	const char *text = t->asked->text;

	if (t->ports.n)
		return choose_of_service(c, &t->ports, asked, text, err);
	if (t->way != TARGET_PODS)
		return choose_of_host(c, asked, text, err);
	return choose_of_pod(
		c,
		t->asked->subject.kind == SUBJECT_POD
			? json_object_get(t->object, "spec")
			: json_at(t->object, "spec", "template", "spec", NULL),
		asked, text, err);
}

/* --- following ------------------------------------------------------------ */

static void target_tell(struct target_watch *t)
{
	t->changed(t->user);
}

static void target_on_pods(void *user)
{
	target_tell(user);
}

static void target_follow_pods(struct target_watch *t, char *query,
			       enum podset_rule rule)
{
	podset_stop(t->pods);
	t->pods = query ? podset_start(t->kube, t->ns, query, rule,
				       target_on_pods, t)
			: NULL;
	free(query);
}

/* Others may lead the Service elsewhere: to a shadow, to other Pods. */
static void target_follow_selector(struct target_watch *t)
{
	const json_t *selector = json_at(t->object, "spec", "selector", NULL);
	bool all = json_is_true(
		json_at(t->object, "spec", "publishNotReadyAddresses", NULL));

	if (t->selector && json_equal(t->selector, selector))
		return;
	json_decref(t->selector);
	t->selector = selector ? json_deep_copy(selector) : json_object();
	target_follow_pods(t, selector_query(selector),
			   all ? PODSET_ADDRESS : PODSET_READY);
}

static void target_take_news(struct target_watch *t, const json_t *object,
			     bool gone)
{
	if (gone == t->gone && json_equal(t->object, object))
		return;
	if (gone && !t->gone)
		log_warn("Service %s/%s was deleted", t->ns,
			 t->asked->subject.name);
	if (!gone && t->gone)
		log_info("Service %s/%s is there again", t->ns,
			 t->asked->subject.name);
	t->gone = gone;
	if (!gone) {
		json_decref(t->object);
		t->object = json_deep_copy(object);
		target_take_service(t, t->object);
		target_follow_selector(t);
	}
	target_tell(t);
}

static void target_on_read(void *user, const struct kube_reply *reply)
{
	struct target_watch *t = user;

	t->reading = NULL;
	if (reply->status == 404)
		target_take_news(t, t->object, true);
	else if (!reply->err && reply->json)
		target_take_news(t, reply->json, false);
}

/* Without an object it may not be watched: then it is read now and again */
static void target_on_service(void *user, const json_t *object, bool gone)
{
	struct target_watch *t = user;
	auto_free char *path = NULL;
	struct kube_request req = { .method = "GET" };

	if (object) {
		target_take_news(t, object, gone);
		return;
	}
	if (t->reading)
		return;
	path = kube_path("v1", "services", t->ns, t->asked->subject.name, NULL);
	req.path = path;
	t->reading = kube_request_start(t->kube, &req, target_on_read, t);
}

static char *target_field_query(const char *name)
{
	auto_free char *field = xasprintf("metadata.name=%s", name);

	return kube_query(NULL, "fieldSelector", field);
}

static void target_follow_service(struct target_watch *t)
{
	auto_free char *path = kube_path("v1", "services", t->ns, NULL, NULL);
	auto_free char *query = target_field_query(t->asked->subject.name);

	t->watch =
		object_watch_start(t->kube, path, query, target_on_service, t);
	target_follow_selector(t);
}

void target_follow(struct target_watch *t, void (*changed)(void *user),
		   void *user)
{
	const char *name = t->asked->subject.name;

	t->changed = changed;
	t->user = user;
	if (!t->object)
		return;
	if (t->is_service)
		target_follow_service(t);
	else if (t->asked->subject.kind == SUBJECT_POD)
		target_follow_pods(t, target_field_query(name), PODSET_RUNNING);
	else
		target_follow_pods(t,
				   target_query(json_at(t->object, "spec",
							"selector", NULL)),
				   PODSET_READY);
}

bool target_is_known(const struct target_watch *t)
{
	return !t->pods || podset_known(t->pods) || podset_lost(t->pods);
}

bool target_is_blind(const struct target_watch *t)
{
	return t->way == TARGET_PODS && t->pods && podset_lost(t->pods) &&
	       !podset_known(t->pods);
}

bool target_is_open(const struct target_watch *t)
{
	if (t->gone)
		return false;
	if (!t->pods || !podset_known(t->pods))
		return true;
	return podset_takes_callers(t->pods);
}

bool target_has(const struct target_watch *t, const struct ipaddr *addr)
{
	if (t->gone)
		return false;
	if (t->way != TARGET_PODS)
		return ipaddr_eq(&t->addr, addr);
	return !t->pods || !podset_known(t->pods) || podset_has(t->pods, addr);
}

/* --- a connection --------------------------------------------------------- */

int target_reach(struct target_watch *t, const struct forward_choice *c,
		 struct ipport *to, const char **host)
{
	const struct service_port *sp = NULL;

	if (t->gone)
		return -ECONNREFUSED;
	if (t->ports.n || (t->is_service && t->way != TARGET_HOST)) {
		sp = choose_service_port(&t->ports, c);
		if (!sp)
			return -ECONNREFUSED;
	}
	*host = t->way == TARGET_HOST ? t->host : NULL;
	*to = (struct ipport){ .addr = t->addr,
			       .port = sp ? sp->port : c->number };
	if (t->way == TARGET_HOST && sp)
		to->port = sp->target; /* nobody translates it */
	if (t->way != TARGET_PODS)
		return 0;
	if (!t->pods)
		return -ECONNREFUSED;
	if (!sp)
		return podset_pick(t->pods, c->number, c->name, c->udp, to);
	return podset_pick(t->pods, sp->target_name[0] ? 0 : sp->target,
			   sp->target_name, sp->udp, to);
}

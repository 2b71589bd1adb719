/* SPDX-License-Identifier: Apache-2.0 */
/* What a target is in the cluster, and how it is followed. */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "forward/target.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define NS "/api/v1/namespaces/n"
#define WEB NS "/services/web"
#define APPS "/apis/apps/v1/namespaces/n"

struct play {
	struct store s;
	struct forward_spec spec;
	struct target_watch t;
	struct kt_error err;
	struct fake_conn *services, *pods; /* who asked for them last */
	bool forbidden;			   /* Services */
	bool unlisted;			   /* neither list nor watch */
	bool deleted;			   /* Services */
	int changes;
};

static bool before(struct store *s, struct fake_conn *c, const char *method,
		   const char *path, const json_t *body)
{
	struct play *p = s->user;

	(void)method;
	(void)body;
	if (strstr(path, "/services"))
		p->services = c;
	if (str_ends(path, "/pods"))
		p->pods = c;
	if (p->deleted && strstr(path, "/services/")) {
		fake_reply(c, 404, "Content-Type: application/json\r\n",
			   "{\"kind\": \"Status\", \"reason\": \"NotFound\", "
			   "\"message\": \"no\", \"code\": 404}");
		return true;
	}
	if (!(p->forbidden && strstr(path, "/services/")) &&
	    !(p->unlisted &&
	      (str_ends(path, "/services") || str_ends(path, "/pods"))))
		return false;
	fake_reply(c, 403, "Content-Type: application/json\r\n",
		   "{\"kind\": \"Status\", \"reason\": \"Forbidden\", "
		   "\"message\": \"no\", \"code\": 403}");
	return true;
}

static void play_init(struct play *p)
{
	*p = (struct play){ 0 };
	store_init(&p->s);
	p->s.before = before;
	p->s.user = p;
}

static int look(struct play *p, const char *word)
{
	static char text[128];
	char *words[] = { text };

	snprintf(text, sizeof(text), "%s", word);
	assert_int_equal(forward_spec_parse(&p->spec, words, 1, &p->err), 0);
	return target_look(&p->t, p->s.w.kube, "n", p->spec.v, &p->err);
}

static void play_fini(struct play *p)
{
	target_fini(&p->t);
	forward_spec_fini(&p->spec);
	store_fini(&p->s);
}

static void put(struct play *p, const char *path, const char *text)
{
	json_t *obj = json_loads(text, 0, NULL);

	assert_non_null(obj);
	store_put(&p->s, path, obj);
}

static json_t *pod(const char *name, const char *ip, bool ready, bool ending)
{
	json_t *o = json_pack(
		"{s:{s:s,s:s},s:{s:[{s:[{s:s,s:i}]}]},"
		"s:{s:s,s:s,s:[{s:s,s:s}]}}",
		"metadata", "namespace", "n", "name", name, "spec",
		"containers", "ports", "name", "http", "containerPort",
		strcmp(name, "b") == 0 ? 9090 : 8080, "status", "phase",
		"Running", "podIP", ip, "conditions", "type", "Ready", "status",
		ready ? "True" : "False");

	assert_non_null(o);
	if (ending)
		json_object_set_new(json_object_get(o, "metadata"),
				    "deletionTimestamp", json_string("x"));
	return o;
}

static void on_changed(void *user)
{
	struct play *p = user;

	p->changes++;
}

/* @requests: that there are when every watch is open */
static void follow(struct play *p, int requests)
{
	target_follow(&p->t, on_changed, p);
	for (int i = 0; i < 1000 && p->s.w.fake.requests < requests; i++)
		(void)!loop_sleep(p->s.w.loop, 10 * NS_MS);
	assert_int_equal(p->s.w.fake.requests, requests);
	assert_true(target_is_known(&p->t));
}

#define OBJECT 1	    /* one GET */
#define PODS (OBJECT + 2)   /* a list and a watch */
#define SERVICES (PODS + 2) /* and of the Service */

/* @obj is taken */
static void tell(struct play *p, struct fake_conn **who, const char *type,
		 json_t *obj)
{
	int was = p->changes;

	p->s.stream = *who;
	store_event(&p->s, type, obj);
	json_decref(obj);
	for (int i = 0; i < 500 && p->changes == was; i++)
		(void)!loop_sleep(p->s.w.loop, 10 * NS_MS);
	assert_int_not_equal(p->changes, was);
}

static const struct forward_choice http = { .name = "http" };
static const struct forward_choice eighty = { .number = 80 };

/* "ADDRESS:PORT", "NAME:PORT" or "refused" */
static const char *reach(struct play *p, const struct forward_choice *c)
{
	static char text[400];
	char at[IPPORT_STRLEN];
	const char *host = NULL;
	struct ipport to;

	if (target_reach(&p->t, c, &to, &host) < 0)
		return "refused";
	if (host)
		snprintf(text, sizeof(text), "%s:%u", host, to.port);
	else
		snprintf(text, sizeof(text), "%s", ipport_str(&to, at));
	return text;
}

static void workload(void **state)
{
	auto_free char *first = NULL;
	struct play p;

	(void)state;
	play_init(&p);
	put(&p, APPS "/deployments/web",
	    "{\"spec\": {\"selector\": {\"matchLabels\": {\"app\": \"web\"}}, "
	    "\"template\": {\"spec\": {\"containers\": [{\"ports\": "
	    "[{\"name\": "
	    "\"http\", \"containerPort\": 8080}]}]}}}}");
	assert_int_equal(look(&p, "deployment/web"), 0);
	follow(&p, PODS);
	assert_false(target_is_open(&p.t));
	assert_string_equal(reach(&p, &http), "refused");

	tell(&p, &p.pods, "ADDED", pod("a", "10.0.0.1", true, false));
	assert_true(target_is_open(&p.t));
	assert_string_equal(reach(&p, &http), "10.0.0.1:8080");
	assert_string_equal(reach(&p, &http), "10.0.0.1:8080");
	assert_string_equal(reach(&p, &eighty), "10.0.0.1:80");
	/* not before it is ready; then in turn, each by its own port's name */
	tell(&p, &p.pods, "ADDED", pod("b", "10.0.0.2", false, false));
	assert_string_equal(reach(&p, &http), "10.0.0.1:8080");
	tell(&p, &p.pods, "MODIFIED", pod("b", "10.0.0.2", true, false));
	first = xstrdup(reach(&p, &http));
	assert_string_not_equal(first, reach(&p, &http));
	assert_string_equal(first, reach(&p, &http));
	/* who ends comes last */
	tell(&p, &p.pods, "MODIFIED", pod("a", "10.0.0.1", true, true));
	assert_string_equal(reach(&p, &http), "10.0.0.2:9090");
	assert_string_equal(reach(&p, &http), "10.0.0.2:9090");
	tell(&p, &p.pods, "DELETED", pod("b", "10.0.0.2", true, true));
	assert_string_equal(reach(&p, &http), "10.0.0.1:8080");
	tell(&p, &p.pods, "DELETED", pod("a", "10.0.0.1", true, true));
	assert_false(target_is_open(&p.t));
	assert_string_equal(reach(&p, &http), "refused");
	play_fini(&p);
}

static void one_pod(void **state)
{
	struct ipaddr old, now;
	struct play p;

	(void)state;
	assert_int_equal(ipaddr_parse(&old, "10.0.0.1"), 0);
	assert_int_equal(ipaddr_parse(&now, "10.0.0.9"), 0);
	play_init(&p);
	store_put(&p.s, NS "/pods/a", pod("a", "10.0.0.1", false, false));
	assert_int_equal(look(&p, "pod/a"), 0);
	follow(&p, PODS);
	/* whether it is ready or not */
	assert_true(target_is_open(&p.t));
	assert_string_equal(reach(&p, &http), "10.0.0.1:8080");
	assert_true(target_has(&p.t, &old));
	/* its successor */
	tell(&p, &p.pods, "MODIFIED", pod("a", "10.0.0.9", true, false));
	assert_string_equal(reach(&p, &http), "10.0.0.9:8080");
	assert_false(target_has(&p.t, &old));
	assert_true(target_has(&p.t, &now));
	play_fini(&p);

	play_init(&p);
	assert_int_equal(look(&p, "pod/none"), -ENOENT);
	assert_non_null(strstr(p.err.msg, "Pod n/none"));
	assert_non_null(strstr(p.err.hint, "get pods"));
	play_fini(&p);
}

#define SERVICE(ip, port)                                                      \
	"{\"metadata\": {\"namespace\": \"n\", \"name\": \"web\"}, "           \
	"\"spec\": {\"clusterIP\": \"" ip "\", \"selector\": {\"app\": "       \
	"\"web\"}, \"ports\": [{\"port\": " port ", \"targetPort\": "          \
	"\"http\"}]}}"

static void service(void **state)
{
	struct play p;

	(void)state;
	play_init(&p);
	put(&p, WEB, SERVICE("10.96.0.1", "80"));
	assert_int_equal(look(&p, "web"), 0);
	follow(&p, SERVICES);
	assert_false(target_is_open(&p.t)); /* no Pod is ready */
	tell(&p, &p.pods, "ADDED", pod("a", "10.0.0.1", true, false));
	assert_true(target_is_open(&p.t));
	assert_string_equal(reach(&p, &eighty), "10.96.0.1:80");
	/* made anew, with another address, and with another port */
	tell(&p, &p.services, "MODIFIED",
	     json_loads(SERVICE("10.96.0.2", "80"), 0, NULL));
	assert_string_equal(reach(&p, &eighty), "10.96.0.2:80");
	tell(&p, &p.services, "MODIFIED",
	     json_loads(SERVICE("10.96.0.2", "81"), 0, NULL));
	assert_string_equal(reach(&p, &eighty), "refused");
	tell(&p, &p.services, "DELETED",
	     json_loads(SERVICE("10.96.0.2", "80"), 0, NULL));
	assert_false(target_is_open(&p.t));
	tell(&p, &p.services, "ADDED",
	     json_loads(SERVICE("10.96.0.3", "80"), 0, NULL));
	assert_true(target_is_open(&p.t));
	assert_string_equal(reach(&p, &eighty), "10.96.0.3:80");
	play_fini(&p);
}

static void wait_for(struct play *p, const struct forward_choice *c,
		     const char *where)
{
	for (int i = 0; i < 3000 && strcmp(reach(p, c), where) != 0; i++)
		(void)!loop_sleep(p->s.w.loop, 10 * NS_MS);
	assert_string_equal(reach(p, c), where);
}

/* Services may be read and not watched, Pods not at all */
static void what_may_not_be_watched(void **state)
{
	struct play p;

	(void)state;
	play_init(&p);
	p.unlisted = true;
	put(&p, WEB, SERVICE("10.96.0.1", "80"));
	assert_int_equal(look(&p, "web"), 0);
	target_follow(&p.t, on_changed, &p);
	put(&p, WEB, SERVICE("10.96.0.2", "80"));
	wait_for(&p, &eighty, "10.96.0.2:80");
	assert_true(target_is_open(&p.t));
	/* it has an address of its own: whether Pods are there is not known */
	assert_false(target_is_blind(&p.t));
	p.deleted = true;
	wait_for(&p, &eighty, "refused");
	assert_false(target_is_open(&p.t));
	play_fini(&p);

	play_init(&p);
	p.unlisted = true;
	put(&p, WEB, SERVICE("None", "80"));
	assert_int_equal(look(&p, "web"), 0);
	target_follow(&p.t, on_changed, &p);
	for (int i = 0; i < 3000 && !target_is_blind(&p.t); i++)
		(void)!loop_sleep(p.s.w.loop, 10 * NS_MS);
	assert_true(target_is_blind(&p.t));
	assert_string_equal(reach(&p, &eighty), "refused");
	play_fini(&p);
}

static void headless(void **state)
{
	struct play p;

	(void)state;
	play_init(&p);
	put(&p, WEB, SERVICE("None", "80"));
	assert_int_equal(look(&p, "web.n"), 0);
	follow(&p, SERVICES);
	assert_false(target_is_open(&p.t));
	tell(&p, &p.pods, "ADDED", pod("b", "10.0.0.2", true, false));
	/* nobody translates the Service's port */
	assert_string_equal(reach(&p, &eighty), "10.0.0.2:9090");
	play_fini(&p);
}

static void only_a_name(void **state)
{
	struct play p;

	(void)state;
	for (int forbidden = 0; forbidden < 2; forbidden++) {
		play_init(&p);
		p.forbidden = forbidden;
		assert_int_equal(look(&p, "db.prod"), 0);
		follow(&p, OBJECT);
		assert_true(target_is_open(&p.t));
		assert_string_equal(reach(&p, &eighty), "db.prod:80");
		play_fini(&p);
	}
	/* who says that it is a Service means it */
	play_init(&p);
	assert_int_equal(look(&p, "svc/db.prod"), -ENOENT);
	play_fini(&p);
	play_init(&p);
	p.forbidden = true;
	assert_int_equal(look(&p, "svc/db.prod"), 0);
	assert_string_equal(reach(&p, &eighty), "db.prod.svc:80");
	play_fini(&p);
	/* one's own namespace: the Role is missing */
	play_init(&p);
	p.forbidden = true;
	assert_int_equal(look(&p, "web"), -EPERM);
	play_fini(&p);
}

static void other_names(void **state)
{
	struct play p;

	(void)state;
	play_init(&p);
	put(&p, WEB,
	    "{\"spec\": {\"type\": \"ExternalName\", \"externalName\": "
	    "\"db.example.com\"}}");
	assert_int_equal(look(&p, "web"), 0);
	assert_string_equal(reach(&p, &eighty), "db.example.com:80");
	play_fini(&p);
	play_init(&p);
	put(&p, WEB,
	    "{\"spec\": {\"clusterIP\": \"None\", \"ports\": [{\"port\": 80, "
	    "\"targetPort\": 5432}]}}");
	assert_int_equal(look(&p, "web"), 0);
	assert_string_equal(reach(&p, &eighty), "web.n.svc:5432");
	play_fini(&p);
	play_init(&p);
	put(&p, WEB, "{\"spec\": {\"clusterIP\": \"10.96.0.1\"}}");
	assert_int_equal(look(&p, "web"), -EINVAL);
	play_fini(&p);
}

static void queries(void **state)
{
	auto_json json_t *selector = json_loads(
		"{\"matchLabels\": {\"a\": \"b\"}, \"matchExpressions\": ["
		"{\"key\": \"k\", \"operator\": \"In\", \"values\": [\"x\", "
		"\"y\"]}, {\"key\": \"l\", \"operator\": \"NotIn\", "
		"\"values\": [\"z\"]}, {\"key\": \"m\", \"operator\": "
		"\"Exists\"}, {\"key\": \"o\", \"operator\": "
		"\"DoesNotExist\"}]}",
		0, NULL);
	auto_free char *got = target_query(selector);
	auto_free char *want = kube_query(NULL, "labelSelector",
					  "a=b,k in (x,y),l notin (z),m,!o");

	(void)state;
	assert_string_equal(got, want);
	assert_null(target_query(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workload),
		cmocka_unit_test(one_pod),
		cmocka_unit_test(service),
		cmocka_unit_test(headless),
		cmocka_unit_test(only_a_name),
		cmocka_unit_test(other_names),
		cmocka_unit_test(queries),
		cmocka_unit_test(what_may_not_be_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A Pod that runs soon, behind proxies that pass a watch on and that do not;
 * and one that does not come. */
#include "test.h"

#include "fake.h"

#include "cluster/podwait.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

struct cluster {
	int gets;   /* of the Pod itself */
	int begins; /* the GET that finds it running */
	bool watched;
};

#define POD                                                                    \
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"      \
	"\"p\",\"uid\":\"u\",\"resourceVersion\":\"7\"},\"status\":{"          \
	"\"phase\":\"%s\",\"podIP\":\"10.0.0.9\",\"containerStatuses\":["      \
	"{\"name\":\"standalone\",\"state\":{%s}}]}}"

/* The list comes at once, the events of the watch never. */
static void buffers(struct fake_conn *c, const char *request)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Type: application/json\r\n\r\n";
	struct cluster *k = c->fake->user;
	bool runs;
	char body[512];

	if (strstr(request, "watch=")) {
		k->watched = true;
		fake_write(c, head, strlen(head));
		return;
	}
	if (strncmp(request, "GET /base/api/v1/namespaces/n/pods?", 35) == 0) {
		fake_reply(c, 200, "",
			   "{\"kind\":\"PodList\",\"apiVersion\":\"v1\","
			   "\"metadata\":{\"resourceVersion\":\"5\"},"
			   "\"items\":[]}");
		return;
	}
	runs = ++k->gets >= k->begins;
	snprintf(body, sizeof(body), POD, runs ? "Running" : "Pending",
		 runs ? "\"running\":{}" : "\"waiting\":{}");
	fake_reply(c, 200, "", body);
}

static void a_silent_watch_is_not_waited_for(void **state)
{
	struct cluster k = { .begins = 2 };
	struct pod_wait what = { .ns = "n",
				 .pod = "p",
				 .timeout_ns = 20 * NS_SEC };
	struct kt_error err = { 0 };
	int64_t start = clock_ns();
	json_t *pod = NULL;
	struct world w;

	(void)state;
	world_init(&w, buffers);
	w.fake.user = &k;
	if (pod_wait_running(w.kube, &what, &pod, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(k.watched);
	assert_int_equal(k.gets, 2);
	assert_in_range(clock_ns() - start, 3 * NS_SEC, 8 * NS_SEC);
	json_decref(pod);
	world_fini(&w);
}

/* It may list, but not watch: the fake server refuses the watch's list, which
 * has a limit, and answers the polls, which have none. */
struct server {
	const char *deployment; /* answer, NULL: none ever */
	const char *pods;	/* likewise, from the @late'th poll on */
	int late;
	int polls, looks;
	struct fake_conn *held; /* the look that got no answer */
};

static void answer(struct fake_conn *c, const char *request)
{
	struct server *s = c->fake->user;

	if (strstr(request, "/deployments/")) {
		s->looks++;
		if (s->deployment)
			fake_reply(c, 200, "", s->deployment);
		else
			s->held = c;
	} else if (strstr(request, "limit=") || strstr(request, "watch=")) {
		fake_reply(c, 403, "", "{}");
	} else if (++s->polls >= s->late) {
		if (s->pods)
			fake_reply(c, 200, "", s->pods);
	} else {
		fake_reply(c, 200, "", "{\"items\":[]}");
	}
}

static int wait_for(struct world *w, struct server *s, json_t **pod,
		    struct kt_error *err)
{
	const struct pod_wait what = { .ns = "ns",
				       .deployment = "d",
				       .selector = "a=b",
				       .timeout_ns = 8 * NS_SEC };

	world_init(w, answer);
	w->fake.user = s;
	return pod_wait_running(w->kube, &what, pod, err);
}

#define QUOTA                                                                  \
	"{\"status\":{\"conditions\":[{\"type\":\"ReplicaFailure\","           \
	"\"status\":\"True\",\"reason\":\"FailedCreate\","                     \
	"\"message\":\"exceeded quota: small\"}]}}"

/* The Deployment says why there is no Pod, also while a poll is under way */
static void tells_quota_beside_a_poll(void **state)
{
	struct server s = { .deployment = QUOTA };
	struct kt_error err = { 0 };
	json_t *pod = NULL;
	struct world w;

	(void)state;
	assert_int_equal(wait_for(&w, &s, &pod, &err), -EPERM);
	assert_non_null(strstr(err.msg, "exceeded quota: small"));
	assert_int_equal(s.polls, 1); /* it has no answer to this day */
	world_fini(&w);
}

static bool is_open(const struct world *w, const struct fake_conn *c)
{
	struct list *n;

	list_for_each (n, &w->fake.conns)
		if (container_of(n, struct fake_conn, node) == c)
			return true;
	return false;
}

/* A look that is under way when it ends must not answer into what is gone */
static void leaves_no_look_behind(void **state)
{
	struct server s = { .late = 4,
			    .pods = "{\"items\":[{\"metadata\":{\"name\":"
				    "\"p\"},\"status\":{\"phase\":\"Running\","
				    "\"containerStatuses\":[{\"name\":"
				    "\"standalone\",\"state\":{\"running\":{}}"
				    "}]}}]}" };
	struct kt_error err = { 0 };
	json_t *pod = NULL;
	struct world w;

	(void)state;
	assert_int_equal(wait_for(&w, &s, &pod, &err), 0);
	assert_string_equal(json_str(pod, "metadata", "name", NULL), "p");
	json_decref(pod);
	assert_int_equal(s.looks, 1);
	assert_non_null(s.held);
	assert_int_equal(loop_sleep(w.loop, 100 * NS_MS), 0);
	assert_false(is_open(&w, s.held));
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_watch_is_not_waited_for),
		cmocka_unit_test(tells_quota_beside_a_poll),
		cmocka_unit_test(leaves_no_look_behind),
	};

	return cmocka_run_group_tests_name("podwait", tests, NULL, NULL);
}

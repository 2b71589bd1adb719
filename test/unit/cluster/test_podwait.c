/* SPDX-License-Identifier: Apache-2.0 */
/* A Pod that runs soon, behind proxies that pass a watch on and that do not. */
#include "test.h"

#include "fake.h"

#include "cluster/podwait.h"
#include "kube/rest.h"

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
	"{\"name\":\"c\",\"state\":{%s}}]}}"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_watch_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("podwait", tests, NULL, NULL);
}

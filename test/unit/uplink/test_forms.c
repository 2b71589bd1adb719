/* SPDX-License-Identifier: Apache-2.0 */
/* What gets through to the API server, by ways good and bad */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "uplink/forms.h"

#include <errno.h>
#include <string.h>

#define PODS                                                                   \
	"{\"kind\":\"PodList\",\"metadata\":{},\"items\":["                    \
	"{\"metadata\":{\"name\":\"gone\",\"deletionTimestamp\":\"x\"},"       \
	"\"status\":{\"phase\":\"Running\"}},"                                 \
	"{\"metadata\":{\"name\":\"late\"},\"status\":{\"phase\":"             \
	"\"Pending\"}}%s]}"
#define RUNS                                                                   \
	",{\"metadata\":{\"name\":\"ours\"},\"status\":{\"phase\":"            \
	"\"Running\"}}"

static struct home home;

/** struct way - what is before the API server */
struct way {
	bool pod;	/* one of ours runs */
	bool stripped;	/* no header Upgrade comes through */
	bool no_spdy;	/* SPDY gets a page */
	bool swallowed; /* SPDY gets nothing */
};

static struct way way;

static void answer_list(struct fake_conn *c)
{
	auto_free char *text = xasprintf(PODS, way.pod ? RUNS : "");

	fake_reply(c, 200, "Content-Type: application/json\r\n", text);
}

static void answer_forward(struct fake_conn *c, const char *request)
{
	bool spdy = strstr(request, "Upgrade: SPDY");

	if (spdy && way.no_spdy)
		fake_reply(c, 405, "", "no such method, says squid");
	else if (spdy && way.swallowed)
		return;
	else if (way.pod)
		fake_reply(c, 502, "", "the kubelet is not there");
	else
		fake_reply(c, 404, "Content-Type: application/json\r\n",
			   "{\"kind\":\"Status\",\"code\":404,\"reason\":"
			   "\"NotFound\",\"message\":\"pods "
			   "\\\"kt-doctor-no-such-pod\\\" not found\"}");
}

static void answer(struct fake_conn *c, const char *request)
{
	static const char up[] = "HTTP/1.1 101 Switching Protocols\r\n"
				 "Upgrade: websocket\r\n"
				 "Connection: Upgrade\r\n\r\n";

	if (strstr(request, "/portforward"))
		answer_forward(c, request);
	else if (!strstr(request, "watch=1"))
		answer_list(c);
	else if (way.stripped)
		fake_reply(c, 200, "Content-Type: application/json\r\n", "");
	else
		fake_write(c, up, sizeof(up) - 1);
}

static struct forms go(struct way w, int64_t *took)
{
	struct world world;
	struct forms f;

	way = w;
	world_init(&world, answer);
	world_client(&world);
	*took = clock_ns();
	assert_int_equal(forms_try(world.kube, "ns", &home, NS_SEC, &f), 0);
	*took = clock_ns() - *took;
	world_fini(&world);
	return f;
}

static void good_and_bad_ways(void **state)
{
	int64_t took;
	struct forms f = go((struct way){ 0 }, &took);

	(void)state;
	assert_string_equal(f.pod, "");
	assert_int_equal(f.known, PF_NFORMS_);
	for (size_t i = 0; i < PF_NFORMS_; i++)
		assert_true(forms_not_found(&f.form[i]));
	assert_true(f.watch.opened);

	f = go((struct way){ .stripped = true }, &took);
	assert_false(f.watch.opened);
	assert_int_equal(f.watch.why.http_status, 200);

	f = go((struct way){ .no_spdy = true }, &took);
	assert_false(forms_not_found(&f.form[PF_SPDY]));
	assert_int_equal(f.form[PF_SPDY].why.http_status, 405);
	assert_true(forms_not_found(&f.form[PF_WEBSOCKET]));
}

/* All at once: one that is swallowed costs its time once */
static void ends_in_time(void **state)
{
	int64_t took;
	struct forms f = go((struct way){ .swallowed = true }, &took);

	(void)state;
	assert_int_equal(f.form[PF_SPDY].why.code, ETIMEDOUT);
	assert_true(forms_not_found(&f.form[PF_WEBSOCKET]));
	assert_in_range(took / NS_MS, 900, 2500);
}

/* The one that runs is taken, and a "not found" would be no proof then */
static void into_a_pod(void **state)
{
	int64_t took;
	struct forms f = go((struct way){ .pod = true }, &took);

	(void)state;
	assert_string_equal(f.pod, "ours");
	assert_int_equal(f.form[PF_SPDY].why.http_status, 502);
	assert_false(f.watch.opened);
	assert_int_equal(f.watch.why.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_and_bad_ways),
		cmocka_unit_test(ends_in_time),
		cmocka_unit_test(into_a_pod),
	};
	char dir[] = "/tmp/ktctl-forms-XXXXXX";
	int rc;

	if (!mkdtemp(dir))
		return 1;
	setenv("HOME", dir, 1);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	home_init(&home);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	home_fini(&home);
	return rc;
}

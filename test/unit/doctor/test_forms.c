/* SPDX-License-Identifier: Apache-2.0 */
/* What the tries of the three forms say about the way */
#include "test.h"

#include "doctor/forms.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define NOBODY "pods \"kt-doctor-no-such-pod\" not found"

static void fails(struct form_try *t, int status, const char *text)
{
	*t = (struct form_try){ 0 };
	kt_fail(&t->why, EIO, "%s", text);
	t->why.http_status = status;
}

static struct forms tried(const char *pod)
{
	struct forms f = { .known = PF_NFORMS_ };

	snprintf(f.pod, sizeof(f.pod), "%s", pod);
	for (size_t i = 0; i < PF_NFORMS_; i++)
		if (*pod)
			f.form[i].opened = true;
		else
			fails(&f.form[i], 404, NOBODY);
	f.watch.opened = !*pod;
	return f;
}

static void assert_said(const struct forms *t, const char *words)
{
	struct findings f;
	const json_t *one;
	char text[2048];

	findings_init(&f, false);
	forms_check(&f, t);
	assert_int_equal(json_array_size(f.list), 1);
	one = json_array_get(f.list, 0);
	assert_string_equal(json_str(one, "check", NULL), "carrier");
	snprintf(text, sizeof(text), "%s: %s", json_str(one, "state", NULL),
		 json_str(one, "text", NULL));
	if (!strstr(text, words))
		fail_msg("no '%s' in '%s'", words, text);
	findings_fini(&f);
}

static void into_a_pod(void **state)
{
	struct forms t = tried("p");

	(void)state;
	assert_said(&t, "ok: a port-forward to Pod p passes as spdy, "
			"spdy-websocket, websocket");
	fails(&t.form[PF_SPDY], 405, "no such method, says squid");
	assert_said(&t, "ok: a port-forward to Pod p passes as spdy-websocket, "
			"websocket; not spdy: no such method, says squid");
	fails(&t.form[PF_SPDY_WEBSOCKET], 0, "no answer in time");
	fails(&t.form[PF_WEBSOCKET], 502, "bad gateway");
	assert_said(&t, "fail: no port-forward to Pod p passes; not spdy: no "
			"such method");
	for (size_t i = 0; i < PF_NFORMS_; i++)
		fails(&t.form[i], 403, "pods is forbidden");
	assert_said(&t, "skip: a port-forward cannot be tried: pods is");
}

static void without_a_pod(void **state)
{
	struct forms t = tried("");

	(void)state;
	assert_said(&t, "ok: requests for a port-forward reach the API server "
			"as spdy, spdy-websocket, websocket, and WebSocket is "
			"upgraded");
	t.known = PF_WEBSOCKET;
	assert_said(&t, "; websocket worked within the last day");
	/* not allowed to watch: less is known, nothing is wrong */
	fails(&t.watch, 403, "pods is forbidden");
	assert_said(&t, "ok: requests for a port-forward reach the API server "
			"as spdy, spdy-websocket, websocket; websocket worked");
	fails(&t.watch, 0, "no answer in time");
	assert_said(&t, "warn: the API server is asked for a port-forward as "
			"spdy, spdy-websocket, websocket, but WebSocket does "
			"not pass: no answer in time");
	/* the answer of one who saw no Upgrade */
	fails(&t.watch, 200, "HTTP status 200");
	assert_said(&t, "fail: something before the API server drops");
}

/* Another's 404 is not the API server's */
static void answered_by_a_proxy(void **state)
{
	struct forms t = tried("");

	(void)state;
	for (size_t i = 0; i < PF_NFORMS_; i++)
		fails(&t.form[i], 404, "404 Not Found, says nginx");
	fails(&t.watch, 502, "bad gateway");
	assert_said(&t, "fail: no request for a port-forward reaches the API "
			"server; not spdy: 404 Not Found, says nginx");
	for (size_t i = 0; i < PF_NFORMS_; i++)
		fails(&t.form[i], 403, "pods is forbidden");
	assert_said(&t, "skip: a port-forward cannot be tried");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(into_a_pod),
		cmocka_unit_test(without_a_pod),
		cmocka_unit_test(answered_by_a_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

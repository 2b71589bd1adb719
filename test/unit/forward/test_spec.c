/* SPDX-License-Identifier: Apache-2.0 */
/* The words of forward, and which port each means. */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "forward/choose.h"
#include "forward/spec.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* --- words ---------------------------------------------------------------- */

/* @words are separated by blanks */
static int parse(struct forward_spec *s, struct strv *words, const char *line,
		 struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	*words = strv_split(line, ' ');
	return forward_spec_parse(s, words->v, words->n, err);
}

static void kind(const char *word, enum forward_kind want)
{
	struct forward_spec s;
	struct kt_error err;
	struct strv words;

	if (parse(&s, &words, word, &err) < 0)
		fail_msg("%s: %s", word, err.msg);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.v[0].nport, 0);
	assert_int_equal(s.v[0].kind, want);
	forward_spec_fini(&s);
	strv_fini(&words);
}

static void targets(void **state)
{
	(void)state;
	kind("web", FORWARD_OBJECT);
	kind("svc/web", FORWARD_OBJECT);
	kind("svc/web.shop", FORWARD_OBJECT);
	kind("deployment/web", FORWARD_OBJECT);
	kind("sts/db", FORWARD_OBJECT);
	kind("pod/web-0.x", FORWARD_OBJECT);
	kind("web.shop", FORWARD_MAYBE);
	kind("web.shop.svc", FORWARD_MAYBE);
	kind("web.shop.svc.cluster.local", FORWARD_MAYBE);
	kind("db-0.db.shop", FORWARD_HOST);
	kind("mydb.abc.eu-west-1.rds.amazonaws.com", FORWARD_HOST);
	kind("example.com.", FORWARD_HOST);
	kind("_x.example.com", FORWARD_HOST);
	kind("1st.example.com", FORWARD_HOST);
	kind("DB.prod", FORWARD_HOST);
	kind("10.1.2.3", FORWARD_ADDRESS);
	kind("fd00::1", FORWARD_ADDRESS);
	kind("1::2", FORWARD_ADDRESS);
	kind("::1", FORWARD_ADDRESS);
}

static void one_port(const char *word, unsigned local, bool remote,
		     unsigned number, const char *name, enum expose_proto proto)
{
	auto_free char *line = xasprintf("web %s", word);
	const struct forward_port *p;
	struct forward_spec s;
	struct kt_error err;
	struct strv words;

	if (parse(&s, &words, line, &err) < 0)
		fail_msg("%s: %s", word, err.msg);
	assert_int_equal(s.v[0].nport, 1);
	p = &s.v[0].port[0];
	assert_string_equal(p->text, word);
	assert_int_equal(p->local, local);
	assert_int_equal(p->has_remote, remote);
	assert_int_equal(p->number, number);
	assert_string_equal(p->name, name);
	assert_int_equal(p->proto, proto);
	forward_spec_fini(&s);
	strv_fini(&words);
}

static void ports(void **state)
{
	(void)state;
	one_port("8080", 8080, false, 0, "", EXPOSE_ANY);
	one_port("8080:80", 8080, true, 80, "", EXPOSE_ANY);
	one_port("8080:http", 8080, true, 0, "http", EXPOSE_ANY);
	one_port("8080:2nd-port", 8080, true, 0, "2nd-port", EXPOSE_ANY);
	one_port("53/udp", 53, false, 0, "", EXPOSE_UDP);
	one_port("5353:53/UDP", 5353, true, 53, "", EXPOSE_UDP);
	one_port("5353:dns/tcp", 5353, true, 0, "dns", EXPOSE_TCP);
	one_port("0:80", 0, true, 80, "", EXPOSE_ANY);
	one_port(":80", 0, true, 80, "", EXPOSE_ANY);
	one_port(":http/tcp", 0, true, 0, "http", EXPOSE_TCP);
	one_port("0", 0, false, 0, "", EXPOSE_ANY);
}

static void several(void **state)
{
	struct forward_spec s;
	struct kt_error err;
	struct strv words;

	(void)state;
	assert_int_equal(parse(&s, &words,
			       "web 8080:80 9000:metrics db.prod 5432 "
			       "10.1.2.3 3306 53/udp 53 pod/x",
			       &err),
			 0);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.v[0].nport, 2);
	assert_int_equal(s.v[1].nport, 1);
	assert_string_equal(s.v[1].host, "db.prod");
	assert_string_equal(s.v[1].subject.name, "db");
	assert_string_equal(s.v[1].subject.ns, "prod");
	assert_int_equal(s.v[2].nport, 3);
	assert_int_equal(s.v[3].nport, 0);
	forward_spec_fini(&s);
	strv_fini(&words);
}

static void wrong(void **state)
{
	static const struct {
		const char *line, *says, *hint;
	} bad[] = {
		{ "", "no target is named", "" },
		{ "8080", "'8080': a target comes before", "forward web" },
		{ "web 65536", "'65536' is not of the form", "" },
		{ "web 80x", "'80x' is not of the form", "" },
		{ "web 80:", "'' is neither a port", "" },
		{ "web 80:0", "'0' is neither a port", "" },
		{ "web 80:70000", "'70000' is neither a port", "" },
		{ "web 80:Http", "'Http' is neither a port", "" },
		{ "web 80:a:b", "'a:b' is neither a port", "" },
		{ "web 80/sctp", "neither tcp nor udp", "" },
		{ "web 80/", "neither tcp nor udp", "" },
		{ "web :", "'' is neither a port", "" },
		{ "web 80 80", "the same port of this machine", "" },
		{ "web 80:1 x.y 80:2", "the same port of this machine", "" },
		{ "web:80", "'web:80' is no target", "web 80" },
		{ "10.0.0.1:80", "'10.0.0.1:80' is no target", "10.0.0.1 80" },
		{ "http://web.shop", "is no target", "without http://" },
		{ "configmap/x", "'configmap/x' is none of", "" },
		{ "svc/", "is no name of a Service", "" },
		{ "Web", "'Web' is no target", "NAME.NAMESPACE" },
		{ "a..b", "'a..b' is no target", "" },
		{ ".a", "'.a' is no target", "" },
		{ "300.1.2.3", "'300.1.2.3' is no target", "" },
		{ "a.b\x1b[2J", "is no target", "" },
		{ "fe80::1%eth0", "is no target", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct forward_spec s;
		struct kt_error err;
		struct strv words;

		if (parse(&s, &words, bad[i].line, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].line);
		if (!strstr(err.msg, bad[i].says) ||
		    !strstr(err.hint, bad[i].hint))
			fail_msg("'%s': %s; %s", bad[i].line, err.msg,
				 err.hint);
		assert_int_equal(s.n, 0);
		strv_fini(&words);
	}
}

static void too_much(void **state)
{
	char *words[1 + FORWARD_PORTS_MAX + 1];
	char text[FORWARD_PORTS_MAX + 1][8];
	struct kt_error err = { 0 };
	struct forward_spec s;

	(void)state;
	words[0] = (char *)(uintptr_t) "web";
	for (int i = 0; i <= FORWARD_PORTS_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", 1000 + i);
		words[i + 1] = text[i];
	}
	assert_int_equal(
		forward_spec_parse(&s, words, FORWARD_PORTS_MAX + 1, &err), 0);
	forward_spec_fini(&s);
	assert_int_equal(
		forward_spec_parse(&s, words, FORWARD_PORTS_MAX + 2, &err),
		-EINVAL);
	for (int i = 0; i <= FORWARD_TARGETS_MAX; i++)
		words[i] = words[0];
	assert_int_equal(
		forward_spec_parse(&s, words, FORWARD_TARGETS_MAX + 1, &err),
		-EINVAL);
}

/* --- what they mean ------------------------------------------------------- */

static const char one_text[] =
	"{\"spec\": {\"ports\": [{\"name\": \"http\", \"port\": 80, "
	"\"targetPort\": 8080}]}}";
static const char two_text[] =
	"{\"spec\": {\"ports\": [{\"name\": \"http\", \"port\": 80, "
	"\"targetPort\": \"web\"}, {\"name\": \"admin\", \"port\": 9000}]}}";
static const char dns_text[] =
	"{\"spec\": {\"ports\": [{\"name\": \"dns\", \"port\": 53, "
	"\"protocol\": \"UDP\"}, {\"name\": \"dns-tcp\", \"port\": 53}]}}";
static const char udp_text[] =
	"{\"spec\": {\"ports\": [{\"port\": 514, \"protocol\": \"UDP\"}]}}";
static const char pod_text[] =
	"{\"containers\": [{}, {\"ports\": [{\"name\": \"http\", "
	"\"containerPort\": 8080}, {\"name\": \"dns\", \"containerPort\": 53, "
	"\"protocol\": \"UDP\"}]}]}";
static const char single_text[] =
	"{\"containers\": [{\"ports\": [{\"containerPort\": 6379}]}]}";

enum of { SERVICE, POD, HOST };

static int choose(enum of of, const char *text, const char *word,
		  struct forward_choice *c, struct kt_error *err)
{
	auto_free char *line = xasprintf("t %s", word ? word : "");
	json_t *object = text ? json_loads(text, 0, NULL) : NULL;
	const struct forward_port *asked;
	struct service_ports sp = { 0 };
	struct forward_spec s;
	struct strv words;
	int rc;

	assert_int_equal(parse(&s, &words, line, err), 0);
	asked = word ? s.v[0].port : NULL;
	if (of == SERVICE) {
		assert_int_equal(service_ports_make(&sp, object, NULL, err), 0);
		rc = choose_of_service(c, &sp, asked, "t", err);
		service_ports_fini(&sp);
	} else if (of == POD) {
		rc = choose_of_pod(c, object, asked, "t", err);
	} else {
		rc = choose_of_host(c, asked, "t", err);
	}
	json_decref(object);
	forward_spec_fini(&s);
	strv_fini(&words);
	return rc;
}

static void means(void **state)
{
	static const struct {
		enum of of;
		const char *text, *word;
		unsigned local, number;
		const char *name;
		bool udp;
	} good[] = {
		/* KT Connect's three forms */
		{ SERVICE, one_text, NULL, 80, 80, "", false },
		{ SERVICE, one_text, "8000", 8000, 80, "", false },
		{ SERVICE, one_text, "8000:80", 8000, 80, "", false },
		{ SERVICE, one_text, "8000:http", 8000, 0, "http", false },
		{ SERVICE, one_text, "0", 0, 80, "", false },
		{ SERVICE, two_text, "9000", 9000, 9000, "", false },
		{ SERVICE, two_text, "1:80", 1, 80, "", false },
		{ SERVICE, dns_text, "5300", 5300, 53, "", false },
		{ SERVICE, dns_text, "5300/udp", 5300, 53, "", true },
		{ SERVICE, dns_text, "1:dns", 1, 0, "dns", true },
		{ SERVICE, dns_text, "1:53", 1, 53, "", false },
		{ SERVICE, dns_text, "1:53/udp", 1, 53, "", true },
		{ SERVICE, udp_text, NULL, 514, 514, "", true },
		{ SERVICE, udp_text, "5514", 5514, 514, "", true },
		{ POD, pod_text, "9999", 9999, 9999, "", false },
		{ POD, pod_text, "1:9999/udp", 1, 9999, "", true },
		{ POD, pod_text, "1:http", 1, 0, "http", false },
		{ POD, pod_text, "1:dns", 1, 0, "dns", true },
		{ POD, single_text, NULL, 6379, 6379, "", false },
		{ HOST, NULL, "5432", 5432, 5432, "", false },
		{ HOST, NULL, ":5432", 0, 5432, "", false },
		{ HOST, NULL, "1:53/udp", 1, 53, "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct kt_error err = { 0 };
		struct forward_choice c;

		if (choose(good[i].of, good[i].text, good[i].word, &c, &err) <
		    0)
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(c.local, good[i].local);
		assert_int_equal(c.number, good[i].number);
		assert_string_equal(c.name, good[i].name);
		assert_int_equal(c.udp, good[i].udp);
	}
}

static void means_nothing(void **state)
{
	static const struct {
		enum of of;
		const char *text, *word, *says;
	} bad[] = {
		{ SERVICE, two_text, NULL, "has several ports: 80" },
		{ SERVICE, two_text, "8000", "has several ports" },
		{ SERVICE, two_text, "0", "has several ports" },
		{ SERVICE, dns_text, NULL, "has several ports" },
		{ SERVICE, two_text, "8000/udp", "has several ports" },
		{ SERVICE, one_text, "1:8080", "has no such port; it has 80" },
		{ SERVICE, one_text, "1:web", "has no such port" },
		{ SERVICE, one_text, "1:80/udp", "has no such port" },
		{ POD, pod_text, NULL, "more than one port" },
		{ POD, "{}", NULL, "declares no port" },
		{ POD, pod_text, "1:grpc", "no port of that name" },
		{ POD, pod_text, "1:http/udp", "no port of that name" },
		{ POD, pod_text, "0", "which port" },
		{ HOST, NULL, NULL, "a port must be given" },
		{ HOST, NULL, "0", "which port" },
		{ HOST, NULL, "1:http", "ports with names" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kt_error err = { 0 };
		struct forward_choice c;

		if (choose(bad[i].of, bad[i].text, bad[i].word, &c, &err) >= 0)
			fail_msg("%zu was taken", i);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%zu: %s", i, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets),	 cmocka_unit_test(ports),
		cmocka_unit_test(several),	 cmocka_unit_test(wrong),
		cmocka_unit_test(too_much),	 cmocka_unit_test(means),
		cmocka_unit_test(means_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

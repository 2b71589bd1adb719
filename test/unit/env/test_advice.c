/* SPDX-License-Identifier: Apache-2.0 */
/* What is told before a member joins. */
#include "json.h"

#include "env/advice.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define SERVICE(more, ports)                                                   \
	"{'metadata':{'name':'web'},'spec':{" more "'ports':[" ports "]}}"
#define ENV(list) "{'spec':{'containers':[{'env':[" list "]}]}}"
#define HTTP "{'port':80,'name':'http'}"

static void what_is_told(void **state)
{
	static const struct {
		const char *service, *template;
		uint16_t port;
		const char *refusal, *warning; /* parts; NULL: none */
	} rows[] = {
		{ SERVICE("", HTTP), NULL, 0, NULL, NULL },
		{ SERVICE("", "{'port':8080}"), NULL, 0, NULL, NULL },
		{ SERVICE("", "{'port':8080,'appProtocol':'kubernetes.io/"
			      "h2c'}"),
		  NULL, 0, NULL, NULL },
		/* a number is a guess, a word is not */
		{ SERVICE("", "{'port':443}"), NULL, 0, NULL,
		  "port 443 speaks TLS, going by its number" },
		{ SERVICE("", "{'port':443,'name':'https'}"), NULL, 0,
		  "Service ns/web: port 443 (https) speaks TLS", NULL },
		{ SERVICE("", "{'port':443,'appProtocol':'tls'}"), NULL, 0,
		  "port 443 speaks TLS", NULL },
		{ SERVICE("", "{'port':443,'name':'http'}"), NULL, 0, NULL,
		  NULL },
		{ SERVICE("", "{'port':80,'targetPort':8443}"), NULL, 0, NULL,
		  "port 80 speaks TLS, going by its number" },
		{ SERVICE("", "{'port':8443,'name':'https-web'}"), NULL, 0,
		  "port 8443 (https-web) speaks TLS", NULL },
		{ SERVICE("", "{'port':8443}"), NULL, 0, NULL,
		  "port 8443 speaks TLS, going by its number" },
		{ SERVICE("", "{'port':443,'name':'web'}"), NULL, 0, NULL,
		  "port 443 (web) speaks TLS, going by its number" },
		/* unless it says otherwise */
		{ SERVICE("", "{'port':8443,'name':'http'}"), NULL, 0, NULL,
		  NULL },
		{ SERVICE("", "{'port':8443,'appProtocol':'http'}"), NULL, 0,
		  NULL, NULL },
		{ SERVICE("", "{'port':80,'name':'x','appProtocol':'https'}"),
		  NULL, 0, "port 80 (x) speaks TLS", NULL },
		{ SERVICE("", "{'port':3306,'name':'mysql'}"), NULL, 0,
		  "port 3306 (mysql) speaks no HTTP", NULL },
		{ SERVICE("", "{'port':53,'protocol':'UDP'}"), NULL, 0,
		  "port 53 is UDP", NULL },
		{ SERVICE("", HTTP ",{'port':443,'name':'https'}"), NULL, 0,
		  NULL, "port 443 (https) speaks TLS" },
		/* only one of them is meant */
		{ SERVICE("", HTTP ",{'port':443,'name':'https'}"), NULL, 80,
		  NULL, NULL },
		{ SERVICE("", HTTP ",{'port':443,'name':'https'}"), NULL, 443,
		  "port 443 (https) speaks TLS", NULL },
		{ SERVICE("'clusterIP':'None',", HTTP), NULL, 0, NULL,
		  "headless" },
		{ SERVICE("'clusterIP':'10.0.0.1',", HTTP), NULL, 0, NULL,
		  NULL },
		{ SERVICE("", HTTP), ENV("{'name':'ORDERS_TOPIC'}"), 0, NULL,
		  "a queue (ORDERS_TOPIC)" },
		{ SERVICE("", HTTP),
		  ENV("{'name':'BUS','value':'amqps://u@mq'},{'name':"
		      "'KAFKA_BROKERS'}"),
		  0, NULL, "a queue (BUS, KAFKA_BROKERS)" },
		{ SERVICE("", HTTP),
		  ENV("{'name':'TOPICAL'},{'name':'DB','value':"
		      "'postgres://'},{'name':'REDIS_URL'}"),
		  0, NULL, NULL },
		/* that one was thought of */
		{ SERVICE("", HTTP), ENV("{'name':'topic'}"), 0, NULL,
		  "a queue (topic)" },
		{ SERVICE("", HTTP), ENV("{'name':'TOPIC'}"), 0, NULL, NULL },
	};
	struct pair one = { (char[]){ "TOPIC" }, (char[]){ "t-{{env}}" } };
	const struct pairs set = { &one, 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *service = json_quoted(rows[i].service);
		auto_json json_t *template =
			rows[i].template ? json_quoted(rows[i].template) : NULL;
		struct service_ports ports;
		struct kt_error err = { 0 };
		struct strv got = { 0 };
		int rc = service_ports_make(&ports, service, NULL, &err);
		const struct advice_of a = { .ns = "ns",
					     .service = service,
					     .ports = &ports,
					     .port = rows[i].port,
					     .template = template,
					     .set = &set };

		assert_int_equal(rc, 0);
		rc = advice_make(&a, &got, &err);
		if (rc != (rows[i].refusal ? -EOPNOTSUPP : 0) ||
		    (rows[i].refusal && !strstr(err.msg, rows[i].refusal)))
			fail_msg("row %zu: %s", i, err.msg);
		if (got.n != (rows[i].warning != NULL) ||
		    (got.n && !strstr(got.v[0], rows[i].warning)))
			fail_msg("row %zu: %s", i, got.n ? got.v[0] : "none");
		strv_fini(&got);
		service_ports_fini(&ports);
	}
}

/* --tlsSecret: it can be looked into; else the flag is the hint */
static void tls_that_the_router_ends(void **state)
{
	auto_json json_t *service =
		json_quoted(SERVICE("", "{'port':443,'name':'https'}"));
	struct service_ports ports;
	struct kt_error err = { 0 };
	struct strv got = { 0 };
	const struct advice_of a = { .ns = "ns",
				     .service = service,
				     .ports = &ports };

	(void)state;
	assert_int_equal(service_ports_make(&ports, service, NULL, &err), 0);
	assert_int_equal(advice_make(&a, &got, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.hint, "--tlsSecret"));
	assert_int_equal(service_ports_end_tls(&ports), 1);
	assert_int_equal(advice_make(&a, &got, &err), 0);
	assert_int_equal(got.n, 0);
	service_ports_fini(&ports);
	strv_fini(&got);
}

static void many_queues(void **state)
{
	auto_json json_t *template = json_quoted(
		ENV("{'name':'A_TOPIC'},{'name':'B_TOPIC'},{'name':"
		    "'A_TOPIC'},{'name':'C_QUEUE'},{'name':'D_QUEUE'},{"
		    "'name':'E_QUEUE'},{'name':'F_QUEUE'},{},3"));
	auto_free char *got = advice_queue(template, NULL);

	(void)state;
	assert_string_equal(got, "A_TOPIC, B_TOPIC, C_QUEUE, D_QUEUE, ...");
	assert_null(advice_queue(NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told),
		cmocka_unit_test(tls_that_the_router_ends),
		cmocka_unit_test(many_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

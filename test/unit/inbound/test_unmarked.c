/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a port at which no mark is seen. */
#include "test.h"

#include "base/mem.h"
#include "inbound/mesh.h"

#include <string.h>

static struct mesh_env env;

static char *told(bool tls, bool udp, const char *proto,
		  const struct mesh_env *of)
{
	const struct service_port p = {
		.port = 443, .udp = udp, .proto = proto, .tls = tls
	};
	struct mesh m = { .env = of };

	snprintf(m.job.name, sizeof(m.job.name), "web");
	return mesh_unmarked(&m, &p);
}

static void environments_are_told_the_flag(void **state)
{
	auto_free char *joined = told(true, false, "tcp", &env);
	auto_free char *meshed = told(true, false, "tcp", NULL);
	auto_free char *other = told(false, false, "tcp", &env);
	auto_free char *udp = told(false, true, "auto", &env);

	(void)state;
	assert_non_null(strstr(joined, "port 443 of Service web speaks TLS"));
	assert_non_null(strstr(joined, "ends TLS: --tlsSecret)"));
	assert_non_null(strstr(meshed, "speaks TLS"));
	assert_null(strstr(meshed, "--tlsSecret")); /* it has none */
	assert_non_null(strstr(other, "speaks no HTTP"));
	assert_null(strstr(other, "--tlsSecret"));
	assert_non_null(strstr(udp, "is UDP"));
	assert_null(strstr(udp, "--tlsSecret"));
	assert_null(told(false, false, "http", &env));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environments_are_told_the_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

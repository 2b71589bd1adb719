/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "kube/kubeconfig.h"
#include "map/flags.h"

#include <stdlib.h>
#include <unistd.h>

static void are(char *files, char *context, const char *want)
{
	const struct kube_config c = { .files = files, .context = context };
	json_t *flags = flags_new(&c), *word;
	char told[256] = "";
	size_t i, n = 0;

	json_array_foreach (flags, i, word)
		n += (size_t)snprintf(told + n, sizeof(told) - n, "%s%s",
				      i ? " " : "", json_string_value(word));
	json_decref(flags);
	assert_string_equal(told, want);
}

static void test_flags(void **state)
{
	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	setenv("HOME", "/home/ann", 1);
	unsetenv("KUBECONFIG");
	are((char[]){ "" }, (char[]){ "dev" }, "--context dev");
	are(NULL, (char[]){ "" }, ""); /* in a cluster */
	are((char[]){ "a:/b/c" }, (char[]){ "dev" },
	    "--context dev --kubeconfig /tmp/a:/b/c");
	are((char[]){ "/home/ann/.kube/config" }, (char[]){ "dev" },
	    "--context dev");
	setenv("KUBECONFIG", "x::/home/ann/.kube/config", 1);
	are((char[]){ "" }, (char[]){ "" },
	    "--kubeconfig /tmp/x:/home/ann/.kube/config");
	are(NULL, (char[]){ "" }, ""); /* none of these is there */
	are((char[]){ "a" }, NULL, "--kubeconfig /tmp/a");
	/* no flag without its value, which would take the next one for it */
	are((char[]){ "/\xff" }, (char[]){ "dev" }, "--context dev");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_flags) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

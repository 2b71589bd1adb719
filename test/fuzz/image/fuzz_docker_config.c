/* SPDX-License-Identifier: Apache-2.0 */
/* docker's config.json, and what a credential helper prints. */
#include "image/docker_config.h"

#include "kube/rest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const json_t *root, const char *key)
{
	const char *helper = docker_config_helper(root, key);
	struct kt_error err = { 0 };
	struct docker_auth a;

	if (helper && (!*helper || strchr(helper, '/')))
		abort();
	if (docker_config_auth(root, key, &a, &err) == 0 &&
	    !(a.username && a.password) && !a.identity_token &&
	    !a.registry_token)
		abort();
	docker_auth_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *root = NULL;
	struct kt_error err = { 0 };
	struct docker_auth a;

	if (docker_helper_answer((const char *)data, size, &a) == 0)
		docker_auth_fini(&a);
	if (docker_config_parse(&root, (const char *)data, size, &err) < 0)
		return 0;
	look(root, "r.example");
	look(root, "https://index.docker.io/v1/");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_DOCKER_CONFIG_H
#define KT_IMAGE_DOCKER_CONFIG_H

#include "base/error.h"

#include <jansson.h>

/**
 * DOC: docker's config.json
 *
 *	"auths":       {"REGISTRY": {"auth": base64 of "USER:PASSWORD"}}
 *	"credHelpers": {"REGISTRY": "NAME"}   a program docker-credential-NAME
 *	"credsStore":  "NAME"                 likewise, for all others
 *
 * as docker itself, podman and kubectl write it. Pure.
 */

/** struct docker_auth - what a registry knows the user by; NULL: not given */
struct docker_auth {
	char *username, *password;
	char *identity_token; /* to get tokens with (OAuth2 refresh token) */
	char *registry_token; /* a token already */
};

void docker_auth_fini(struct docker_auth *a);

/** docker_config_parse() - *@root is an object (returned, caller decrefs); 0 or
 *  -EINVAL with @err */
KT_CHECK int docker_config_parse(json_t **root, const char *text, size_t len,
				 struct kt_error *err);
/** docker_config_helper() - name of the program that knows @key; borrowed;
 *  NULL: none, or the name could not be a program's */
const char *docker_config_helper(const json_t *root, const char *key);
/** docker_config_auth() - what the file itself says of @key
 *  Return: 0 with @out, -ENOENT, or -EINVAL with @err: it cannot be read */
KT_CHECK int docker_config_auth(const json_t *root, const char *key,
				struct docker_auth *out, struct kt_error *err);
/** docker_helper_answer() - what a helper printed; 0 or -EINVAL */
KT_CHECK int docker_helper_answer(const char *text, size_t len,
				  struct docker_auth *out);

#endif

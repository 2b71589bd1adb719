/* SPDX-License-Identifier: Apache-2.0 */
#include "image/credentials.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/str.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define CREDENTIALS_MAX ((size_t)1 << 20)
#define CREDENTIALS_NO_PROGRAM 127     /* as a shell says it */
#define CREDENTIALS_WAIT (60 * NS_SEC) /* it may ask for a pass phrase */

/* (returned, caller frees); NULL: there is no home */
static char *credentials_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");

	if (dir && *dir)
		return xasprintf("%s/config.json", dir);
	return home && *home ? xasprintf("%s/.docker/config.json", home) : NULL;
}

/* 0 with *@root NULL: there is no file */
static int credentials_read(json_t **root, char **path, struct kt_error *err)
{
	auto_free char *text = NULL;
	size_t len;
	int rc;

	*root = NULL;
	*path = credentials_path();
	if (!*path)
		return 0;
	text = file_read(*path, CREDENTIALS_MAX, &len);
	if (!text && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!text)
		return kt_fail(err, errno, "read %s: %s", *path,
			       strerror(errno));
	rc = docker_config_parse(root, text, len, err);
	explicit_bzero(text, len);
	return rc < 0 ? kt_wrap(err, rc, "read %s", *path) : 0;
}

/* A helper says on stdout why it failed, and only there */
static int credentials_refused(const struct process_result *res,
			       const char *program, struct kt_error *err)
{
	auto_free char *text = xstrdup(res->out ? res->out : "");

	if (res->status == CREDENTIALS_NO_PROGRAM) {
		kt_fail(err, ENOEXEC, "%s cannot be run: %s", program,
			res->errout);
		kt_hint(err, "docker's configuration names it for this "
			     "registry (credHelpers, credsStore)");
		return -ENOEXEC;
	}
	if (strstr(text, "credentials not found"))
		return -ENOENT;
	return kt_fail(err, EACCES, "%s get: %s", program,
		       *blank_trim(text) ? blank_trim(text) : res->errout);
}

static int credentials_ask(struct loop *loop, const char *name, const char *key,
			   struct docker_auth *out, struct kt_error *err)
{
	auto_free char *program = xasprintf("docker-credential-%s", name);
	char get[] = "get";
	char *const argv[] = { program, get, NULL };
	struct process_result res = { 0 };
	int rc = process_run(loop, argv, NULL, key, CREDENTIALS_MAX,
			     CREDENTIALS_WAIT, &res, err);

	if (rc < 0)
		return rc == -ENOENT ? -ENOEXEC : rc;
	if (res.status)
		rc = credentials_refused(&res, program, err);
	else if (docker_helper_answer(res.out, res.out_len, out) < 0)
		rc = kt_fail(err, EPROTO,
			     "%s get: no credentials in its answer", program);
	if (res.out)
		explicit_bzero(res.out, res.out_len);
	process_result_fini(&res);
	return rc;
}

int credentials_find(struct loop *loop, const char *key,
		     struct docker_auth *out, struct kt_error *err)
{
	auto_json json_t *root = NULL;
	auto_free char *path = NULL;
	const char *helper;
	int rc = credentials_read(&root, &path, err);

	*out = (struct docker_auth){ 0 };
	if (rc < 0 || !root)
		return rc;
	helper = docker_config_helper(root, key);
	rc = helper ? credentials_ask(loop, helper, key, out, err) : -ENOENT;
	if (rc == -ENOENT) {
		rc = docker_config_auth(root, key, out, err);
		if (rc == -EINVAL)
			return kt_wrap(err, rc, "read %s", path);
	}
	log_debug("credentials for %s: %s", key,
		  rc == -ENOENT ? "none"
		  : helper	? helper
				: path);
	if (rc == -ENOENT) {
		docker_auth_fini(out);
		rc = 0;
	}
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/environ.h"

#include "base/log.h"
#include "base/mem.h"
#include "carrier/podexec.h"
#include "kube/rest.h"
#include "pod/specenv.h"
#include "pod/vars.h"

#include <errno.h>
#include <string.h>

#define ENVIRON_MAX ((size_t)8 << 20) /* execve(2) takes less */
#define ENVIRON_TIMEOUT (15 * NS_SEC)

bool environ_has_api(const struct strv *vars)
{
	return vars_get(vars, "KUBERNETES_SERVICE_HOST");
}

bool environ_shares(const json_t *pod)
{
	return json_is_true(
		       json_at(pod, "spec", "shareProcessNamespace", NULL)) ||
	       json_is_true(json_at(pod, "spec", "hostPID", NULL));
}

bool environ_is_whole(const char *block, size_t n)
{
	if (!n || block[n - 1])
		return false;
	while (n) {
		size_t len = strnlen(block, n);
		const char *eq = memchr(block, '=', len);

		if (!eq || eq == block)
			return false;
		block += len + 1;
		n -= len + 1;
	}
	return true;
}

/* 1: it is in @out; 0: it is none */
static int environ_cat(struct strv *out, struct kube *k,
		       const struct pod_found *f, const char *file,
		       struct kt_error *err)
{
	const char *const argv[] = { "cat", file, NULL };
	const struct podexec x = {
		.ns = f->ns,
		.pod = f->name,
		.container = f->container,
		.argv = argv,
		.timeout_ns = ENVIRON_TIMEOUT,
	};
	struct buf b;
	int rc;

	buf_init(&b, ENVIRON_MAX);
	rc = podexec_run(k, &x, &b, err);
	if (rc == 0) {
		rc = environ_is_whole((char *)buf_data(&b), b.len);
		if (rc)
			vars_parse(out, (char *)buf_data(&b), b.len);
	}
	buf_fini(&b);
	return rc;
}

static int environ_exec(struct strv *out, struct kube *k,
			const struct pod_found *f, struct kt_error *err)
{
	int rc = environ_shares(f->pod)
			 ? 0
			 : environ_cat(out, k, f, "/proc/1/environ", err);

	if (rc == 0 || rc == -ECHILD) {
		log_debug("process 1 of Pod %s/%s does not show an environment",
			  f->ns, f->name);
		rc = environ_cat(out, k, f, "/proc/self/environ", err);
	}
	return rc == 0 ? kt_fail(err, EPROTO,
				 "exec in Pod %s/%s: no "
				 "environment came",
				 f->ns, f->name)
		       : rc;
}

static void environ_say_missing(const struct strv *missing)
{
	for (size_t i = 0; i < missing->n; i++)
		log_warn("of the Pod's environment is missing: %s",
			 missing->v[i]);
}

int environ_read(struct strv *out, struct kube *k, const struct pod_found *f,
		 struct pod_sources *s, struct kt_error *err)
{
	auto_strv struct strv missing = { 0 };
	struct kt_error why = { 0 };
	int rc = environ_exec(out, k, f, &why);

	if (rc > 0)
		return 0;
	if (rc == -EINTR) {
		*err = why;
		return rc;
	}
	log_warn("the environment is that of the Pod's spec, without what the "
		 "image or the start of the program sets: %s",
		 why.msg);
	specenv_make(out, f, s, &missing);
	environ_say_missing(&missing);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/borrow.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/options.h"
#include "pod/environ.h"
#include "pod/vars.h"
#include "run/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BORROW_FILE_MAX ((size_t)4 << 20)

static void borrow_own(struct strv *out)
{
	for (char **p = environ; *p; p++)
		strv_add(out, *p);
}

static int borrow_read_file(struct borrow *b, struct kt_error *err)
{
	const char *name = b->opt->run.pod.file;
	auto_strv struct strv own = { 0 };
	auto_free char *text = file_read(name, BORROW_FILE_MAX, NULL);

	if (!text)
		return kt_fail(err, EINVAL, "read %s: %s", name,
			       strerror(errno));
	borrow_own(&own);
	return vars_read_file(&b->file, text, name, &own, err);
}

int borrow_init(struct borrow *b, const struct options *o, struct kt_error *err)
{
	int rc = 0;

	*b = (struct borrow){ .opt = o };
	if (o->nbefore)
		b->workload = o->args[0];
	if (b->workload)
		rc = pod_find_check(b->workload, err);
	if (rc == 0 && !b->workload && o->run.pod.container)
		rc = kt_fail(err, EINVAL,
			     "--container: which workload's? It stands before "
			     "\"--\"");
	if (rc == 0 && o->run.pod.file)
		rc = borrow_read_file(b, err);
	return rc;
}

static void borrow_make_vars(struct borrow *b, const struct strv *pod)
{
	const struct pod_env_options *o = &b->opt->run.pod;
	const struct vars_rules rules = {
		.include = &o->include,
		.exclude = &o->exclude,
		.local = &o->local,
		.file = &b->file,
		.set = &o->set,
	};
	auto_strv struct strv own = { 0 };

	if (!pod && !b->file.n && !o->set.n)
		return;
	borrow_own(&own);
	vars_make(&b->vars, pod, &own, &rules);
	b->has_vars = true;
}

int borrow_look(struct borrow *b, struct kube *k, const char *ns,
		struct kt_error *err)
{
	auto_strv struct strv pod = { 0 };
	int rc;

	if (!b->workload) {
		borrow_make_vars(b, NULL);
		return 0;
	}
	rc = pod_find(&b->found, k, ns, b->workload, b->opt->run.pod.container,
		      err);
	if (rc < 0)
		return rc;
	b->sources = (struct pod_sources){ .kube = k, .ns = b->found.ns };
	rc = environ_read(&pod, k, &b->found, &b->sources, err);
	if (rc < 0)
		return rc;
	log_debug("%zu variables of Pod %s/%s", pod.n, b->found.ns,
		  b->found.name);
	borrow_make_vars(b, &pod);
	return 0;
}

static int borrow_put(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t k = write(fd, data, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		data += k;
		n -= (size_t)k;
	}
	return 0;
}

int borrow_give(struct borrow *b, struct keeper *k, struct kt_error *err)
{
	auto_close int fd = -1;
	auto_free char *block = NULL;
	size_t n;
	int rc;

	if (!b->has_vars)
		return 0;
	block = vars_block(&b->vars, &n);
	fd = memfd_create("environment", MFD_CLOEXEC);
	rc = fd < 0 ? -errno : borrow_put(fd, block, n);
	if (rc < 0)
		return kt_fail(err, -rc, "keep the environment in memory: %s",
			       strerror(-rc));
	keeper_give(k, KEEPER_ENV, steal_fd(&fd));
	return 0;
}

void borrow_fini(struct borrow *b)
{
	pod_sources_fini(&b->sources);
	pod_found_fini(&b->found);
	strv_fini(&b->file);
	strv_fini(&b->vars);
}

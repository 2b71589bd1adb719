/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/program.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define ARCH_LABEL "kubernetes.io/arch"
#define UPLOAD_TIMEOUT (120 * NS_SEC) /* 0.75 MB on a slow line */
#define MAX_RACES 5
#define PROGRAM_KNOWN "program" /* in ~/.kt */
#define PROGRAM_MARK_MAX 256

/* Files made by the linker of what the build has packed (meson.build) */
#define SYMBOL "_binary_src_"
#define PROGRAM_FILE(name, file)                                               \
	extern const uint8_t name[] __asm__(SYMBOL file "_start");             \
	extern const uint8_t name##_end[] __asm__(SYMBOL file "_end")
#ifdef KT_PROGRAM
PROGRAM_FILE(program_start, "shadow_start_bin");
PROGRAM_FILE(program_packed, "shadow_shadow_gz");
PROGRAM_FILE(program_gate, "gate_gate_gz");
#endif
#ifdef KT_PROGRAM_OTHER
PROGRAM_FILE(program_start_other, "cluster_other_start_bin");
PROGRAM_FILE(program_packed_other, "cluster_other_shadow_gz");
PROGRAM_FILE(program_gate_other, "cluster_other_gate_gz");
#endif

const char *program_arch(const struct pod_options *o)
{
	for (size_t i = 0; i < o->node_selector.n; i++)
		if (strcmp(o->node_selector.v[i].key, ARCH_LABEL) == 0)
			return o->node_selector.v[i].value;
	return objects_arch();
}

#define PROGRAM(what, of, start_file, packed_file)                             \
	{                                                                      \
		.name = (what), .arch = (of), .start = (start_file),           \
		.nstart = (size_t)(start_file##_end - (start_file)),           \
		.packed = (packed_file),                                       \
		.npacked = (size_t)(packed_file##_end - (packed_file)),        \
	}

#ifdef KT_PROGRAM
enum { PROGRAM_SHADOW, PROGRAM_GATE, PROGRAM_KINDS };

/* NULL: there are no more */
static const struct program *program_of(int kind, size_t i)
{
	static struct program all[PROGRAM_KINDS][2];
	size_t n = 0;

	all[PROGRAM_SHADOW][n] = (struct program)PROGRAM(
		"shadow", objects_arch(), program_start, program_packed);
	all[PROGRAM_GATE][n++] = (struct program)PROGRAM(
		"gate", objects_arch(), program_start, program_gate);
#ifdef KT_PROGRAM_OTHER
	all[PROGRAM_SHADOW][n] = (struct program)PROGRAM(
		"shadow", KT_PROGRAM_OTHER, program_start_other,
		program_packed_other);
	all[PROGRAM_GATE][n++] = (struct program)PROGRAM(
		"gate", KT_PROGRAM_OTHER, program_start_other,
		program_gate_other);
#endif
	return i < n ? &all[kind][i] : NULL;
}
#endif

const struct program *program_at(size_t i)
{
#ifdef KT_PROGRAM
	return program_of(PROGRAM_SHADOW, i);
#else
	(void)i;
	return NULL;
#endif
}

const struct program *program_gate_for(const char *arch)
{
#ifdef KT_PROGRAM
	const struct program *p;

	for (size_t i = 0; (p = program_of(PROGRAM_GATE, i)); i++)
		if (strcmp(arch, p->arch) == 0)
			return p;
#else
	(void)arch;
#endif
	return NULL;
}

const struct program *program_for(const char *arch)
{
	const struct program *p;

	for (size_t i = 0; (p = program_at(i)); i++)
		if (strcmp(arch, p->arch) == 0)
			return p;
	return NULL;
}

void program_digest(const struct program *p, char dst[SHA256_HEX])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, p->packed, p->npacked);
	sha256_end(&s, dst);
}

void program_name(const struct program *p, char dst[PROGRAM_NAME_SIZE])
{
	char hex[SHA256_HEX];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, p->start, p->nstart);
	sha256_add(&s, p->packed, p->npacked);
	snprintf(dst, PROGRAM_NAME_SIZE, "ktctl-%s-%s-%s-%.8s", p->name,
		 KT_VERSION, p->arch, sha256_end(&s, hex));
}

static json_t *program_data(const struct program *p)
{
	auto_free char *start = base64_encode(p->start, p->nstart);
	auto_free char *packed = base64_encode(p->packed, p->npacked);
	auto_free char *key = xasprintf("%s.gz", p->name);

	return json_pack("{s:s,s:s}", PROGRAM_START, start, key, packed);
}

json_t *program_object(const struct program *p, const struct pod_options *o)
{
	char name[PROGRAM_NAME_SIZE];
	json_t *obj;

	program_name(p, name);
	obj = json_pack("{s:s,s:s,s:{s:s,s:{s:s,s:s}},s:b,s:o}", "apiVersion",
			"v1", "kind", "ConfigMap", "metadata", "name", name,
			"labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			KT_LABEL_ROLE, KT_ROLE_PROGRAM, "immutable", 1,
			"binaryData", program_data(p));
	object_add_options(obj, o);
	return obj;
}

bool program_same(const struct program *p, const json_t *found)
{
	auto_json json_t *want = program_data(p);

	return json_is_true(json_object_get(found, "immutable")) &&
	       json_equal(want, json_object_get(found, "binaryData")) &&
	       json_object_size(json_object_get(found, "data")) == 0;
}

static int program_create(const struct program_place *at,
			  const struct program *p, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "configmaps", at->ns, NULL, NULL);
	auto_json json_t *obj = program_object(p, at->options);
	const struct kube_request req = { .method = "POST",
					  .path = path,
					  .body = obj,
					  .as = KUBE_METADATA, /* not back */
					  .timeout_ns = UPLOAD_TIMEOUT };

	log_debug("bringing the %s's program into namespace %s as "
		  "ConfigMap %s",
		  p->name, at->ns, object_name(obj));
	return kube_call(at->kube, &req, NULL, err);
}

static int program_check(const struct program *p, const char *ns,
			 const json_t *found, struct kt_error *err)
{
	if (program_same(p, found))
		return 0;
	kt_fail(err, EPROTO,
		"ConfigMap %s/%s is not what this ktctl would have made: "
		"somebody has changed it",
		ns, object_name(found));
	kt_hint(err,
		"it is not used: have it removed ('kubectl -n %s delete "
		"configmap %s'), or name an image of the shadow with --image",
		ns, object_name(found));
	return -EPROTO;
}

/* No right, quota, a policy: the way without a ConfigMap is told, too */
static void program_hint(struct kt_error *err)
{
	auto_free char *first = xstrdup(err->hint);

	err->hint[0] = '\0';
	kt_hint(err,
		"%s%sname an image of the shadow that the cluster can pull "
		"(--image)",
		first, *first ? "; or " : "");
}

/* --- one that was compared before ----------------------------------------- */

/* A file for each server, namespace and name */
static char *program_file(const struct program_place *at, const char *name)
{
	const char *server = kube_config_of(at->kube)->server;
	char hex[SHA256_HEX];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, server, strlen(server) + 1);
	sha256_add(&s, at->ns, strlen(at->ns) + 1);
	sha256_add(&s, name, strlen(name));
	return xasprintf("%.16s", sha256_end(&s, hex));
}

/* What is different of each that was ever made (returned, caller frees); NULL:
 * the server does not tell */
static char *program_mark(const json_t *obj)
{
	const char *uid = json_str(obj, "metadata", "uid", NULL);
	const char *version =
		json_str(obj, "metadata", "resourceVersion", NULL);

	return uid && *uid && version && *version
		       ? xasprintf("%s %s\n", uid, version)
		       : NULL;
}

/* Return: 1 it is the one that was compared; 0: it is to be read; -errno */
static int program_is_known(const struct program_place *at, const char *path,
			    const char *name, struct kt_error *err)
{
	const struct kube_request req = { .method = "GET",
					  .path = path,
					  .as = KUBE_METADATA };
	auto_free char *file = at->home ? program_file(at, name) : NULL;
	auto_free char *before = NULL;
	auto_free char *now = NULL;
	auto_json json_t *meta = NULL;
	struct kt_error none = { 0 };
	size_t len = 0;
	int rc;

	if (file)
		before = home_read(at->home, PROGRAM_KNOWN, file,
				   PROGRAM_MARK_MAX, &len, &none);
	if (!before)
		return 0;
	rc = kube_call(at->kube, &req, &meta, err);
	now = rc == 0 ? program_mark(meta) : NULL;
	return rc < 0 ? rc : str_eq(now, before);
}

static void program_remember(const struct program_place *at, const char *name,
			     const json_t *obj)
{
	auto_free char *file = at->home ? program_file(at, name) : NULL;
	auto_free char *mark = program_mark(obj);
	struct kt_error err = { 0 };

	if (file && mark &&
	    home_write(at->home, PROGRAM_KNOWN, file, mark, strlen(mark), 0644,
		       &err) < 0)
		log_debug("%s", err.msg);
}

/* Return: 0: it is there and is ours; -ENOENT: it is not there */
static int program_find(const struct program_place *at, const struct program *p,
			const char *path, const char *name,
			struct kt_error *err)
{
	auto_json json_t *found = NULL;
	int rc = program_is_known(at, path, name, err);

	if (rc > 0)
		return 0;
	if (rc == 0)
		rc = kube_get(at->kube, path, &found, err);
	if (rc == 0)
		rc = program_check(p, at->ns, found, err);
	if (rc == 0)
		program_remember(at, name, found);
	return rc;
}

int program_ensure(const struct program_place *at, const struct program *p,
		   struct kt_error *err)
{
	auto_free char *path = NULL;
	char name[PROGRAM_NAME_SIZE];
	int rc = -ENOENT;

	program_name(p, name);
	path = kube_path("v1", "configmaps", at->ns, name, NULL);
	for (int tries = 0; tries < MAX_RACES; tries++) {
		*err = (struct kt_error){ 0 };
		rc = program_find(at, p, path, name, err);
		if (rc == 0 || rc == -EPROTO)
			return rc;
		if (rc != -ENOENT)
			break;
		*err = (struct kt_error){ 0 };
		rc = at->before && tries == 0 ? at->before(at->user, err) : 0;
		if (rc < 0)
			return rc;
		rc = program_create(at, p, err);
		if (rc != -EEXIST) /* else another user was quicker */
			break;
	}
	if (rc == -EPERM)
		program_hint(err);
	return rc < 0 ? kt_wrap(err, rc,
				"bring the %s's program as ConfigMap %s/%s",
				p->name, at->ns, name)
		      : 0;
}

bool program_used_by(const json_t *obj, const char *name)
{
	const json_t *in_template =
		json_at(obj, "spec", "template", "spec", "volumes", NULL);
	const json_t *list = in_template
				     ? in_template
				     : json_at(obj, "spec", "volumes", NULL);
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (str_eq(json_str(v, "configMap", "name", NULL), name))
			return true;
	return false;
}

bool program_expired(const json_t *obj, int64_t now, int64_t age)
{
	const char *made = json_str(obj, "metadata", "creationTimestamp", NULL);
	int64_t at = made ? rfc3339_parse(made) : -1;

	return str_eq(object_label(obj, KT_LABEL_ROLE), KT_ROLE_PROGRAM) &&
	       at >= 0 && at < now - age;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/files.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"
#include "pod/expand.h"
#include "pod/files_impl.h"
#include "pod/vars.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_VOLUMES_MAX 256

const char *files_name(size_t volume, char dst[FILES_NAME_SIZE])
{
	snprintf(dst, FILES_NAME_SIZE, "v%zu", volume);
	return dst;
}

const json_t *files_spec(const struct pod_files *p,
			 const struct files_volume *v)
{
	return volume_find(p->found->pod, v->name);
}

/* --- what there is -------------------------------------------------------- */

static const char *files_why_not(const char *kind)
{
	if (strcmp(kind, "persistentVolumeClaim") == 0)
		return "a PersistentVolumeClaim: its data are in the cluster";
	if (strcmp(kind, "hostPath") == 0)
		return "a hostPath: its data are the node's";
	if (strcmp(kind, "csi") == 0 || strcmp(kind, "ephemeral") == 0)
		return "made by a CSI driver: its data are in the cluster";
	return kind;
}

static size_t files_add_volume(struct pod_files *p, const char *name)
{
	const json_t *spec = volume_find(p->found->pod, name);
	const char *kind;
	size_t i = 0;

	while (i < p->nvolume && strcmp(p->volume[i].name, name) != 0)
		i++;
	if (i < p->nvolume || !spec || i == FILES_VOLUMES_MAX)
		return i < p->nvolume ? i : FILES_VOLUMES_MAX;
	p->volume = xrealloc(p->volume, (i + 1) * sizeof(*p->volume));
	p->volume[i] = (struct files_volume){
		.name = xstrdup(name),
		.kind = volume_kind(spec, &kind),
	};
	p->volume[i].ok = p->volume[i].kind != VOLUME_MADE;
	p->nvolume++;
	return i;
}

static const char *files_value(void *user, const char *name)
{
	return vars_get(user, name);
}

static void files_add_wish(struct pod_files *p, const json_t *m,
			   const struct strv *vars)
{
	const char *name = json_str(m, "name", NULL);
	const char *path = json_str(m, "mountPath", NULL);
	const char *sub = json_str(m, "subPath", NULL);
	const char *expr = json_str(m, "subPathExpr", NULL);
	const json_t *spec = name ? volume_find(p->found->pod, name) : NULL;
	const char *kind;
	struct files_wish w = { 0 };

	if (!spec || !path)
		return;
	if (volume_kind(spec, &kind) == VOLUME_OTHER && !p->far.there) {
		log_warn("%s of the Pod is not there: volume %s is %s%s", path,
			 name, files_why_not(kind), p->far.why);
		return;
	}
	w.volume = files_add_volume(p, name);
	if (w.volume == FILES_VOLUMES_MAX)
		return;
	w.path = *path == '/' ? xstrdup(path) : xasprintf("/%s", path);
	w.sub = expr ? expand_text(expr, files_value, (void *)(uintptr_t)vars)
		     : xstrdup(sub ? sub : "");
	w.read_only = json_is_true(json_object_get(m, "readOnly"));
	/* what subPathExpr has of a variable is the container's to say */
	if (!tree_is_below(w.sub) ||
	    !tree_is_below(w.path + strspn(w.path, "/"))) {
		log_warn("%s of the Pod is not there: '..' is in its path, or "
			 "in '%s' of volume %s",
			 path, w.sub, name);
		free(w.path);
		free(w.sub);
		return;
	}
	p->wish = xrealloc(p->wish, (p->nwish + 1) * sizeof(*p->wish));
	p->wish[p->nwish++] = w;
}

void files_each_token(struct pod_files *p,
		      void (*fn)(struct pod_files *p, const json_t *source))
{
	for (size_t i = 0; i < p->nvolume; i++) {
		const json_t *sources = json_at(files_spec(p, &p->volume[i]),
						"projected", "sources", NULL);
		const json_t *s;
		size_t k;

		json_array_foreach (sources, k, s) {
			s = json_object_get(s, "serviceAccountToken");
			if (s)
				fn(p, s);
		}
	}
}

/* --- reading -------------------------------------------------------------- */

static void files_first_token(struct pod_files *p, const json_t *source)
{
	auto_free char *key = volume_token_key(source);
	auto_free char *path = volume_token_path(p->found);
	auto_json json_t *request =
		volume_token_request(p->found, source, true);
	auto_json json_t *reply = NULL;
	struct kt_error err = { 0 };
	json_t *token;

	if (json_object_get(p->sources->read, key))
		return;
	if (kube_create(p->kube, path, request, &reply, &err) < 0) {
		log_warn("the token of the Pod's service account: %s", err.msg);
		return;
	}
	token = volume_token_of(reply, kube_cluster_time(p->kube));
	if (!p->sources->read)
		p->sources->read = json_object();
	if (token)
		json_object_set_new(p->sources->read, key, token);
}

static int files_make(struct pod_files *p, struct kt_error *err)
{
	for (size_t i = 0; i < p->nvolume; i++) {
		struct files_volume *v = &p->volume[i];
		struct kt_error why = { 0 };
		int rc;

		if (v->kind != VOLUME_MADE)
			continue;
		rc = volume_make(&v->tree, p->found, files_spec(p, v),
				 p->sources, &why);
		v->ok = rc == 0;
		if (rc == -EINTR) {
			*err = why;
			return rc;
		}
		if (rc < 0)
			log_warn("volume %s of the Pod is not there: %s",
				 v->name, why.msg);
	}
	return 0;
}

struct pod_files *pod_files_read(struct kube *k, struct pod_found *f,
				 struct pod_sources *s, const struct strv *vars,
				 const struct files_far *far,
				 struct kt_error *err)
{
	struct pod_files *p = xcalloc(1, sizeof(*p));
	const json_t *m;
	size_t i;

	p->kube = k;
	p->found = f;
	p->sources = s;
	p->dir = -1;
	p->far = *far;
	json_array_foreach (json_object_get(f->spec, "volumeMounts"), i, m)
		files_add_wish(p, m, vars);
	files_each_token(p, files_first_token);
	if (files_make(p, err) == 0)
		return p;
	pod_files_free(p);
	return NULL;
}

/* --- what is elsewhere ---------------------------------------------------- */

/* It is brought as it is, and nothing lies over it */
static bool files_is_plain(const struct pod_files *p,
			   const struct files_volume *v)
{
	return v->kind == VOLUME_OTHER && !p->far.write;
}

void pod_files_far(const struct pod_files *p, struct strv *names)
{
	for (size_t i = 0; p->far.there && i < p->nvolume; i++)
		if (p->volume[i].kind != VOLUME_MADE)
			strv_add(names, p->volume[i].name);
}

struct files_layer *pod_files_layers(const struct pod_files *p, size_t *n)
{
	struct files_layer *all = xcalloc(p->nvolume + 1, sizeof(*all));

	*n = 0;
	for (size_t i = 0; p->far.there && i < p->nvolume; i++) {
		const struct files_volume *v = &p->volume[i];
		struct files_layer *l = &all[*n];

		if (v->kind == VOLUME_MADE || files_is_plain(p, v))
			continue;
		l->volume = v->name;
		files_name(i, l->source);
		l->empty = v->kind == VOLUME_EMPTY;
		(*n)++;
	}
	return all;
}

/* --- writing -------------------------------------------------------------- */

int files_write_volume(const struct pod_files *p, size_t volume,
		       struct kt_error *err)
{
	char name[FILES_NAME_SIZE];
	auto_close int fd = openat(p->dir, files_name(volume, name),
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return kt_fail(err, errno, "open a volume's folder: %s",
			       strerror(errno));
	return tree_write(fd, &p->volume[volume].tree,
			  volume_dir_mode(p->found->pod), err);
}

static int files_write_first(struct pod_files *p, size_t volume,
			     struct kt_error *err)
{
	char name[FILES_NAME_SIZE];

	if (files_is_plain(p, &p->volume[volume]))
		return 0;
	files_name(volume, name);
	if (mkdirat(p->dir, name, 0700) < 0 ||
	    fchmodat(p->dir, name, 0777, 0) < 0)
		return kt_fail(err, errno, "make a volume's folder: %s",
			       strerror(errno));
	return p->volume[volume].kind == VOLUME_MADE
		       ? files_write_volume(p, volume, err)
		       : 0;
}

/* A subPath of an emptyDir is made, as the kubelet does */
static void files_make_sub(const struct pod_files *p, char *source)
{
	for (char *at = strchr(source, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdirat(p->dir, source, 0755);
		*at = '/';
	}
	mkdirat(p->dir, source, 0755);
}

/* Where it is below the folder (returned, caller frees) */
static char *files_source(const struct pod_files *p, const struct files_wish *w)
{
	const struct files_volume *v = &p->volume[w->volume];
	char name[FILES_NAME_SIZE];
	const char *sub = w->sub + strspn(w->sub, "/");
	auto_free char *far = xasprintf("pod/%s", v->name);
	const char *in =
		files_is_plain(p, v) ? far : files_name(w->volume, name);

	return *sub ? xasprintf("%s/%s", in, sub) : xstrdup(in);
}

static void files_add_mount(struct pod_files *p, const struct files_wish *w)
{
	const struct files_volume *v = &p->volume[w->volume];
	struct files_mount m = { 0 };
	struct stat st = { 0 };

	if (!v->ok)
		return;
	m.source = files_source(p, w);
	m.look = v->kind == VOLUME_OTHER;
	if (v->kind == VOLUME_EMPTY && *w->sub)
		files_make_sub(p, m.source);
	if (!m.look && fstatat(p->dir, m.source, &st, 0) < 0) {
		log_warn("%s of the Pod is not there: volume %s has no '%s'",
			 w->path, v->name, w->sub);
		free(m.source);
		return;
	}
	m.dir = S_ISDIR(st.st_mode);
	m.path = xstrdup(w->path);
	m.read_only = w->read_only || v->kind != VOLUME_EMPTY;
	p->mount = xrealloc(p->mount, (p->nmount + 1) * sizeof(*p->mount));
	p->mount[p->nmount++] = m;
}

static int files_compare(const void *a, const void *b)
{
	const struct files_mount *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int pod_files_write(struct pod_files *p, int dir, struct kt_error *err)
{
	p->dir = dir;
	for (size_t i = 0; i < p->nvolume; i++) {
		int rc = p->volume[i].ok ? files_write_first(p, i, err) : 0;

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < p->nwish; i++)
		files_add_mount(p, &p->wish[i]);
	if (p->nmount)
		qsort(p->mount, p->nmount, sizeof(*p->mount), files_compare);
	return 0;
}

const struct files_mount *pod_files_mounts(const struct pod_files *p, size_t *n)
{
	*n = p->nmount;
	return p->mount;
}

void pod_files_free(struct pod_files *p)
{
	if (!p)
		return;
	files_follow_stop(p);
	for (size_t i = 0; i < p->nvolume; i++) {
		tree_fini(&p->volume[i].tree);
		free(p->volume[i].name);
	}
	for (size_t i = 0; i < p->nwish; i++) {
		free(p->wish[i].path);
		free(p->wish[i].sub);
	}
	for (size_t i = 0; i < p->nmount; i++) {
		free(p->mount[i].path);
		free(p->mount[i].source);
	}
	free(p->volume);
	free(p->wish);
	free(p->mount);
	free(p);
}

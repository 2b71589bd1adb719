/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "run/keeper_impl.h"
#include "run/mounts.h"
#include "run/podfs_mount.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct keeper_files {
	int sock, room;
	struct mounts *mounts;
	bool mounted;	     /* the Pod's volumes are */
	struct kt_error why; /* why not; of all but the first one */
};

/* What is to be done with "source", "target", "how" */
struct keeper_files_line {
	const char *source, *target, *how;
};

static void keeper_files_note(int sock, const char *target, const char *state,
			      const struct kt_error *why)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));

	m->type = KEEPER_NOTE;
	m->len =
		1 + (size_t)snprintf(m->data, 4096, "%.1024s of the Pod %s: %s",
				     target, state, why->msg);
	(void)!keeper_send(sock, m);
	free(m);
}

/* --- the Pod's volumes ---------------------------------------------------- */

/* From here on ktctl answers for them: the device is its alone */
static int keeper_files_pass(int sock, int fd)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int rc;

	m->type = KEEPER_VOLUMES;
	m->fds[0] = fd;
	m->nfds = 1;
	rc = keeper_send(sock, m);
	free(m);
	close(fd);
	return rc;
}

static int keeper_files_mount(struct keeper_files *f, struct kt_error *err)
{
	int fd, rc;

	if (!f->mounted && !f->why.code) {
		fd = podfs_mount(f->room, &f->why);
		rc = fd < 0 ? fd : keeper_files_pass(f->sock, fd);
		if (rc < 0 && !f->why.code)
			kt_fail(&f->why, -rc, "pass it on: %s", strerror(-rc));
		f->mounted = rc == 0;
		if (f->mounted)
			mounts_add_inner(f->mounts, PODFS_FOLDER);
	}
	*err = f->why;
	return -f->why.code;
}

static void keeper_files_layer(struct keeper_files *f,
			       const struct keeper_files_line *l)
{
	bool empty = strchr(l->how, 'e');
	struct kt_error err = { 0 }, more = { 0 };
	auto_free char *name = xasprintf("volume %s", l->target);
	int rc = keeper_files_mount(f, &err);

	if (rc == 0)
		rc = podfs_mount_layer(f->room, l->target, l->source, &err);
	if (rc < 0 && !empty && f->mounted &&
	    podfs_mount_instead(f->room, l->target, l->source, &more) == 0) {
		keeper_files_note(f->sock, name, "cannot be written", &err);
		rc = 0;
	}
	if (rc == 0)
		mounts_add_inner(f->mounts, l->source);
	else
		keeper_files_note(f->sock, name, "is empty here", &err);
}

/* --- places --------------------------------------------------------------- */

/* The next word, or NULL */
static const char *keeper_files_word(const char **p, const char *end)
{
	const char *word = *p;
	size_t n = strnlen(word, (size_t)(end - word));

	if (word + n >= end)
		return NULL;
	*p = word + n + 1;
	return word;
}

/* 1: it is a folder; 0, or -errno with @err */
static int keeper_files_is_folder(struct keeper_files *f,
				  const struct keeper_files_line *l,
				  struct kt_error *err)
{
	int rc = 0;

	if (!strchr(l->how, '?'))
		return strchr(l->how, 'd') != NULL;
	if (str_starts(l->source, PODFS_FOLDER "/"))
		rc = keeper_files_mount(f, err);
	return rc < 0 ? rc : podfs_is_folder(f->room, l->source, err);
}

static void keeper_files_place(struct keeper_files *f,
			       const struct keeper_files_line *l)
{
	bool far = strchr(l->how, '?'), ro = strchr(l->how, 'r');
	struct kt_error err = { 0 };
	int rc = keeper_files_is_folder(f, l, &err);

	if (rc >= 0)
		rc = far ? mounts_place_far(f->mounts, l->source, l->target, rc,
					    ro, &err)
			 : mounts_place(f->mounts, l->source, l->target, rc, ro,
					&err);
	if (rc < 0)
		keeper_files_note(f->sock, l->target, "is not there", &err);
}

static void keeper_files_each(struct keeper_files *f, const char *p,
			      const char *end)
{
	struct keeper_files_line l;

	while ((l.source = keeper_files_word(&p, end)) &&
	       (l.target = keeper_files_word(&p, end)) &&
	       (l.how = keeper_files_word(&p, end))) {
		if (strpbrk(l.how, "ce"))
			keeper_files_layer(f, &l);
		else
			keeper_files_place(f, &l);
	}
}

int keeper_take_files(int sock, int room, int fd)
{
	struct keeper_files f = { .sock = sock, .room = room };
	struct stat st;
	auto_free char *text = NULL;
	size_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	n = (size_t)st.st_size;
	text = xmalloc(n + 1);
	if (pread(fd, text, n, 0) != (ssize_t)n)
		return -EIO;
	f.mounts = mounts_new(room);
	keeper_files_each(&f, text, text + n);
	mounts_free(f.mounts);
	return 0;
}

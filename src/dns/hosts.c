/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/hosts.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define NOTE "hosts.block"
#define LOCK_DIR "lock"
#define LOCK "hosts.lock"
#define LOCK_STEP (20 * NS_MS)
#define SELINUX "security.selinux"

/* The block, in memory */

void hosts_list_add(struct hosts_list *l, const struct ipaddr *ip,
		    const char *name, const char *ns, const char *domain,
		    bool own)
{
	char addr[IPADDR_STRLEN];

	if (l->lines.n >= HOSTS_NAMES_MAX)
		return;
	strv_take(&l->lines,
		  xasprintf("%s\t%s%s%s.%s %s.%s.svc.%s", ipaddr_str(ip, addr),
			    own ? name : "", own ? " " : "", name, ns, name, ns,
			    domain));
}

void hosts_list_fini(struct hosts_list *l)
{
	strv_fini(&l->lines);
}

/* where the line that begins at or behind @at and starts with @text is */
static bool find_line(const char *s, size_t len, size_t at, const char *text,
		      size_t *start)
{
	size_t n = strlen(text);

	while (at + n <= len) {
		const char *nl;

		if (memcmp(s + at, text, n) == 0) {
			*start = at;
			return true;
		}
		nl = memchr(s + at, '\n', len - at);
		if (!nl)
			return false;
		at = (size_t)(nl - s) + 1;
	}
	return false;
}

/* is there nothing but a line end behind the marker at @at? */
static bool is_whole_line(const char *s, size_t len, size_t at,
			  const char *text)
{
	size_t end = at + strlen(text);

	return end == len || s[end] == '\n';
}

/* the bytes of our block: from @start to @end */
struct hosts_block {
	size_t start, end;
	bool found;
};

static struct hosts_block find_block(const char *s, size_t len)
{
	struct hosts_block b = { 0 };
	size_t at = 0, end, next;

	while (find_line(s, len, at, HOSTS_BEGIN, &b.start)) {
		at = b.start + 1;
		if (!is_whole_line(s, len, b.start, HOSTS_BEGIN) ||
		    !find_line(s, len, at, HOSTS_END, &end))
			continue;
		/* a beginning without an end: what follows is not ours */
		if (find_line(s, end, at, HOSTS_BEGIN, &next))
			continue;
		b.found = true;
		b.end = end + strlen(HOSTS_END);
		if (b.end < len && s[b.end] == '\n')
			b.end++; /* the marker's own line break */
		else if (b.start > 0)
			b.start--; /* the one we put before the block */
		break;
	}
	return b;
}

/* copy @old without its blocks (a second one may come from another tool) */
static int copy_others(struct buf *out, const char *old, size_t len)
{
	for (;;) {
		struct hosts_block b = find_block(old, len);
		int rc = buf_put(out, old, b.found ? b.start : len);

		if (rc < 0 || !b.found)
			return rc;
		old += b.end;
		len -= b.end;
	}
}

int hosts_render(struct buf *out, const char *old, size_t len,
		 const struct hosts_list *list)
{
	int rc = copy_others(out, old, len);
	/* see DOC: without a line break at the end, none after our block */
	bool bare = out->len && buf_data(out)[out->len - 1] != '\n';

	if (rc < 0 || !list || !list->lines.n)
		return rc;
	rc = buf_printf(out, "%s" HOSTS_BEGIN "\n", bare ? "\n" : "");
	for (size_t i = 0; rc >= 0 && i < list->lines.n; i++)
		rc = buf_printf(out, "%s\n", list->lines.v[i]);
	if (rc >= 0)
		rc = buf_printf(out, HOSTS_END "%s", bare ? "" : "\n");
	return rc < 0 ? rc : 0;
}

/* Where things are */

static char *hosts_resolve(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : xstrdup(path);
}

void hosts_init(struct hosts *h, const char *kt_dir, uid_t uid, gid_t gid)
{
	const char *env = getenv("HOSTS_PATH");

	h->path = hosts_resolve(env && *env ? env : "/etc/hosts");
	h->dir = xstrdup(kt_dir);
	h->uid = uid;
	h->gid = gid;
	h->forgets = false;
}

void hosts_fini(struct hosts *h)
{
	free(h->path);
	free(h->dir);
	h->path = h->dir = NULL;
}

/* ~/.kt, or @sub in it; never through a link that another user put there */
static int open_dir(const struct hosts *h, const char *sub)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_close int dir = open(h->dir, flags);

	if (dir < 0)
		return -errno;
	if (sub) {
		int fd = openat(dir, sub, flags);

		return fd < 0 ? -errno : fd;
	}
	return steal_fd(&dir);
}

/* a file of ours that may be there already; a new one belongs to the user */
static int open_own(const struct hosts *h, const char *sub, const char *name)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
	auto_close int dir = open_dir(h, sub);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, flags | O_CREAT | O_EXCL, 0644);
	if (fd >= 0 && fchown(fd, h->uid, h->gid) < 0)
		log_debug("hosts: chown %s: %s", name, strerror(errno));
	if (fd < 0 && errno == EEXIST)
		fd = openat(dir, name, flags);
	return fd < 0 ? -errno : fd;
}

static int unlink_own(const struct hosts *h, const char *name)
{
	auto_close int dir = open_dir(h, NULL);

	if (dir < 0)
		return dir;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A lock needs a file that stays; the hosts file itself is replaced */
static int hosts_open_parent(const struct hosts *h)
{
	auto_free char *dir = xstrdup(h->path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int take_lock(const struct hosts *h, struct kt_error *err)
{
	auto_close int fd = open_own(h, LOCK_DIR, LOCK);

	if (fd < 0)
		fd = hosts_open_parent(h);
	if (fd < 0)
		return kt_fail(err, -fd, "open the directory of %s: %s",
			       h->path, strerror(-fd));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return kt_fail(err, errno,
			       "lock %s: another ktctl is changing it",
			       h->path);
	return steal_fd(&fd);
}

static int hosts_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The note, for those who come after a kill -9 */

static int write_note(const struct hosts *h, struct kt_error *err)
{
	auto_close int fd = -1;
	int rc = unlink_own(h, NOTE);

	if (rc == 0)
		rc = fd = open_own(h, NULL, NOTE);
	if (rc >= 0)
		rc = hosts_write_all(fd, h->path, strlen(h->path));
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc < 0)
		return kt_fail(err, -rc, "write %s/" NOTE ": %s", h->dir,
			       strerror(-rc));
	return 0;
}

static void remove_note(const struct hosts *h)
{
	int rc = unlink_own(h, NOTE);

	if (rc < 0)
		log_debug("hosts: remove %s/" NOTE ": %s", h->dir,
			  strerror(-rc));
}

/* It is for those who come after a kill -9 only: no reason not to go on */
static void try_note(struct hosts *h)
{
	struct kt_error err = { 0 };

	if (write_note(h, &err) == 0 || h->forgets)
		return;
	h->forgets = true;
	log_warn("%s; goes on without: what a killed ktctl leaves in %s is "
		 "taken out by the next connect or 'ktctl clean' only where "
		 "that is the hosts file, too",
		 err.msg, h->path);
}

/* The file */

/* what decides who may read it: owner, mode, label */
static int copy_attributes(int from, int to)
{
	char label[256];
	struct stat st;
	ssize_t n;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	n = fgetxattr(from, SELINUX, label, sizeof(label));
	if (n > 0 && fsetxattr(to, SELINUX, label, (size_t)n, 0) < 0)
		return -errno;
	return 0;
}

static int replace_by_rename(const char *path, int old, const struct buf *text)
{
	auto_free char *temp = xasprintf("%s.kt-new", path);
	auto_close int fd = -1;
	int rc;

	/* one of a killed run, under the same lock */
	if (unlink(temp) < 0 && errno != ENOENT)
		return -errno;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	rc = hosts_write_all(fd, buf_data(text), text->len);
	if (rc == 0)
		rc = copy_attributes(old, fd);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && rename(temp, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(temp);
	return rc;
}

static int replace_in_place(int fd, const struct buf *text)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	/* written over before it is cut: no reader sees an empty file */
	if (hosts_write_all(fd, buf_data(text), text->len) < 0 ||
	    ftruncate(fd, (off_t)text->len) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int replace_file(const char *path, const struct buf *text)
{
	auto_close int old = open(path, O_RDWR | O_CLOEXEC);
	int rc;

	if (old < 0)
		return -errno;
	rc = replace_by_rename(path, old, text);
	if (rc == 0)
		return 0;
	log_debug("hosts: %s cannot be replaced (%s): written in place", path,
		  strerror(-rc));
	return replace_in_place(old, text);
}

/* the block of @path becomes that of @list; 1 when the file was changed */
static int change_file(const char *path, const struct hosts_list *list,
		       struct kt_error *err)
{
	auto_free char *old = NULL;
	struct buf text;
	size_t len = 0;
	int rc;

	old = file_read(path, HOSTS_MAX, &len);
	if (!old)
		return kt_fail(err, errno, "read %s: %s", path,
			       strerror(errno));
	buf_init(&text, HOSTS_MAX);
	rc = hosts_render(&text, old, len, list);
	if (rc == 0 &&
	    (text.len != len || memcmp(buf_data(&text), old, len) != 0)) {
		rc = replace_file(path, &text);
		if (rc == 0)
			rc = 1;
	}
	buf_fini(&text);
	if (rc < 0)
		kt_fail(err, -rc, "write %s: %s", path, strerror(-rc));
	if (rc < 0)
		kt_hint_errno(err);
	return rc;
}

/* What callers see */

int hosts_update(struct hosts *h, const struct hosts_list *list,
		 struct kt_error *err)
{
	bool remove = !list || !list->lines.n;
	auto_close int lock = take_lock(h, err);
	int rc = lock < 0 ? lock : 0;

	if (rc == 0 && !remove)
		try_note(h);
	if (rc == 0)
		rc = change_file(h->path, list, err);
	if (rc >= 0 && remove)
		remove_note(h);
	return rc < 0 ? rc : 0;
}

int hosts_update_wait(struct hosts *h, struct loop *l,
		      const struct hosts_list *list, struct kt_error *err)
{
	int64_t end = clock_ns() + HOSTS_LOCK_LIMIT;
	int rc;

	while ((rc = hosts_update(h, list, err)) == -EAGAIN &&
	       clock_ns() < end) {
		rc = loop_sleep(l, LOCK_STEP);
		if (rc < 0)
			return kt_fail(err, -rc, "lock %s: interrupted",
				       h->path);
	}
	return rc;
}

int hosts_remove(struct hosts *h, struct loop *l, struct kt_error *err)
{
	return hosts_update_wait(h, l, NULL, err);
}

static bool has_block(const char *path)
{
	size_t len = 0;
	auto_free char *text = file_read(path, HOSTS_MAX, &len);

	return text && find_block(text, len).found;
}

/* nobody but us or root can have put something else there */
static bool is_trusted(const char *file)
{
	auto_free char *path = xstrdup(file);
	auto_free char *real = realpath(file, NULL);
	bool ok = real && strcmp(real, file) == 0;
	struct stat st;

	while (ok) {
		char *slash = strrchr(path, '/');

		ok = lstat(*path ? path : "/", &st) == 0 &&
		     (st.st_uid == 0 || st.st_uid == geteuid()) &&
		     (!(st.st_mode & 022) || st.st_mode & S_ISVTX);
		if (!slash)
			break;
		*slash = '\0';
	}
	return ok;
}

/*
 * The path in the note, or NULL. The user may have written the note: root must
 * not be led to a place where the user can swap files.
 */
static char *read_note(const struct hosts *h)
{
	auto_free char *note = xasprintf("%s/" NOTE, h->dir);
	char *path = file_read(note, 4096, NULL);

	if (path && path[0] == '/' && is_trusted(path))
		return path;
	free(path);
	return NULL;
}

int hosts_remove_stale(struct hosts *h, struct loop *l, struct kt_error *err)
{
	auto_free char *noted = read_note(h);
	int removed = 0;

	/* both the file of the killed run and the present one */
	for (int i = 0; i < 2; i++) {
		struct hosts one = *h;
		int rc;

		if (i == 0 && (!noted || str_eq(noted, h->path)))
			continue;
		if (i == 0)
			one.path = noted;
		if (!has_block(one.path)) {
			remove_note(&one);
			continue;
		}
		rc = hosts_remove(&one, l, err);
		if (rc < 0)
			return rc;
		removed = 1;
	}
	return removed;
}

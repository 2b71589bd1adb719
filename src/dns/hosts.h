/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_HOSTS_H
#define KT_DNS_HOSTS_H

#include "base/buf.h"
#include "base/ipaddr.h"
#include "base/loop.h"
#include "base/str.h"

/**
 * DOC: --dnsMode hosts: a block in /etc/hosts
 *
 * Our lines stand between two marker lines, the same as KT's; every other byte
 * of the file stays as it is. When the file did not end with a line break, the
 * block does not either: so removing it gives back the very same bytes.
 *
 * The new file is written beside the old one and renamed over it. Where that
 * cannot be (the file is a mount point of its own, as in containers, or its
 * directory is read-only) it is written in place.
 *
 * Before the first change the file's path is noted in ~/.kt/hosts.block; after
 * the block was removed, the note is. Whoever comes after a kill -9 calls
 * hosts_remove_stale(). A lock in ~/.kt/lock keeps two of us apart. Where
 * nothing can be written there, nothing is noted, and the lock is one on the
 * directory of the file.
 */

#define HOSTS_BEGIN "# Kt Hosts Begin"
#define HOSTS_END "# Kt Hosts End"
#define HOSTS_MAX (4u << 20)  /* bytes of the file, our block included */
#define HOSTS_NAMES_MAX 20000 /* lines of the block */
#define HOSTS_LOCK_LIMIT (2 * NS_SEC)

/** struct hosts_list - lines of the block */
struct hosts_list {
	struct strv lines; /* "10.96.0.1 web web.demo ..." */
};

/** hosts_list_add() - a Service: name.ns and name.ns.svc.@domain, and @name
 *  alone when @own; past HOSTS_NAMES_MAX nothing is added */
void hosts_list_add(struct hosts_list *l, const struct ipaddr *ip,
		    const char *name, const char *ns, const char *domain,
		    bool own);
void hosts_list_fini(struct hosts_list *l);

/**
 * hosts_render() - @old without the block it has, that of @list at the end
 * @list: NULL or empty: no block
 * Return: 0; -ENOBUFS or -ENOMEM (@out is then of no use).
 */
KT_CHECK int hosts_render(struct buf *out, const char *old, size_t len,
			  const struct hosts_list *list);

/** struct hosts - where the file and our notes are */
struct hosts {
	char *path; /* $HOSTS_PATH or /etc/hosts, symbolic links resolved */
	char *dir;  /* ~/.kt */
	uid_t uid;  /* who shall own what is made in @dir */
	gid_t gid;
	bool forgets; /* nothing can be noted: was told */
};

/** hosts_init() - @kt_dir: ~/.kt (copied), normally with lock/ in it */
void hosts_init(struct hosts *h, const char *kt_dir, uid_t uid, gid_t gid);
void hosts_fini(struct hosts *h);

/**
 * hosts_update() - make the file's block that of @list, once, without waiting
 * Return: 0 (also when nothing had to change); -EAGAIN when another holds the
 * lock (try again soon); other -errno; all with @err.
 */
KT_CHECK int hosts_update(struct hosts *h, const struct hosts_list *list,
			  struct kt_error *err);
/** hosts_update_wait() - the same, waiting in the loop for the lock for at most
 *  HOSTS_LOCK_LIMIT; not from inside a handler */
KT_CHECK int hosts_update_wait(struct hosts *h, struct loop *l,
			       const struct hosts_list *list,
			       struct kt_error *err);
/** hosts_remove() - take the block out, forget the note */
KT_CHECK int hosts_remove(struct hosts *h, struct loop *l,
			  struct kt_error *err);

/**
 * hosts_remove_stale() - undo what a killed run left behind
 * Only when no other run is alive. Looks at the file that is noted and at the
 * present one.
 * Return: 1 when a block was removed, 0 when there was none, or -errno.
 */
KT_CHECK int hosts_remove_stale(struct hosts *h, struct loop *l,
				struct kt_error *err);

#endif

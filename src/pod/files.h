/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_FILES_H
#define KT_POD_FILES_H

#include "base/loop.h"
#include "pod/find.h"
#include "pod/sources.h"

/**
 * DOC: The files that a container has mounted
 *
 *     read     the container's volumeMounts, and what their volumes are made of
 *     write    into a folder that is in memory only: vN is the N-th volume
 *     follow   every 20 s what they are made of is read again, and a volume
 *              that is another one by then is written anew; tokens are renewed
 *              when 80 of 100 of their time are over, or when the Pod that
 *              they were bound to is gone (then for the account alone)
 *
 * What fails to be read again stays as it is.
 *
 * Volumes whose data are elsewhere (far: PersistentVolumeClaims, hostPaths,
 * CSI; and what others have written into an emptyDir) somebody else may bring
 * below the same folder, as pod/NAME. What is to be written is written into vN,
 * in memory, which is laid over it.
 */

/** struct files_mount - one volumeMount whose volume there is */
struct files_mount {
	char *path;   /* in the container, absolute */
	char *source; /* below the folder: "v0", "v0/key", "pod/data" */
	bool dir;     /* else a file */
	bool look;    /* whether it is, has to be looked at */
	bool read_only;
};

/** struct files_far - how it is with volumes whose data are elsewhere */
struct files_far {
	bool there;	 /* somebody brings them */
	bool write;	 /* they are written, too (in memory) */
	const char *why; /* they are not there: the user can do that, or "" */
};

/** struct files_layer - a volume that is brought, under what is written */
struct files_layer {
	const char *volume; /* its name; borrowed */
	char source[24];    /* "v3" */
	bool empty;	    /* an emptyDir */
};

struct pod_files;

/**
 * pod_files_read() - of @f; what cannot be had is told, and left out; waits
 * @f, @s: borrowed for the life of the result, and kept up to date
 * @vars: of the container, for subPathExpr
 * @far: copied, but for its text
 * Return: the files, or NULL with @err: interrupted
 */
struct pod_files *pod_files_read(struct kube *k, struct pod_found *f,
				 struct pod_sources *s, const struct strv *vars,
				 const struct files_far *far,
				 struct kt_error *err);
/** pod_files_far() - the volumes that are to be brought, by their names */
void pod_files_far(const struct pod_files *p, struct strv *names);
/** pod_files_write() - into the folder @dir (borrowed until the end); 0, or
 *  -errno with @err */
KT_CHECK int pod_files_write(struct pod_files *p, int dir,
			     struct kt_error *err);
/** pod_files_mounts() - after that; sorted: what is above comes first; borrowed
 */
const struct files_mount *pod_files_mounts(const struct pod_files *p,
					   size_t *n);
/** pod_files_layers() - likewise; returned, caller frees */
struct files_layer *pod_files_layers(const struct pod_files *p, size_t *n);
/** pod_files_follow() - from now on, until pod_files_free() */
void pod_files_follow(struct pod_files *p);
/** pod_files_free() - the folder stays; NULL is allowed */
void pod_files_free(struct pod_files *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODFS_NODE_H
#define KT_RUN_PODFS_NODE_H

#include "base/list.h"
#include "wire/fsmsg.h"

#include <stdint.h>

/**
 * DOC: What the kernel knows of the Pod's files
 *
 * The kernel calls a file by a number that it was given for its name, and says
 * when it has forgotten it; until then the file is a node, which has its name
 * and the folder. Another file that has taken the place of one (a rename in the
 * Pod) is another node, with another number: the old one is stale. It has no
 * path any more, but who has it open reads on.
 *
 * A node is there as long as the kernel knows it, a file below it is there, or
 * it is open.
 */

#define PODFS_ROOT 1
#define PODFS_NODES ((size_t)1 << 20) /* at most */

struct podfs_node {
	uint64_t id;
	struct podfs_node *parent;	    /* NULL: the root */
	struct podfs_node *by_id, *by_name; /* the next in a chain */
	uint64_t lookups;		    /* what the kernel has to forget */
	size_t children;
	struct list files; /* open: of podfs_file */
	uint64_t ino, dev;
	uint64_t volume; /* the device of its volume's folder */
	/* what the kernel's cache is of */
	uint64_t size;
	struct fsmsg_time mtime;
	bool stale;
	size_t len; /* of @name */
	char name[];
};

struct podfs_nodes {
	struct podfs_node *root;
	struct podfs_node **id, **name; /* chains */
	size_t size;			/* of the two, a power of two */
	size_t n;
	uint64_t last; /* number given */
};

void podfs_nodes_init(struct podfs_nodes *t);
void podfs_nodes_fini(struct podfs_nodes *t);
/** podfs_node_find() - the kernel's @id, or NULL */
struct podfs_node *podfs_node_find(const struct podfs_nodes *t, uint64_t id);
/** podfs_node_look() - @name of @parent is what @a says: its node, which the
 *  kernel knows once more; NULL: there are too many */
struct podfs_node *podfs_node_look(struct podfs_nodes *t,
				   struct podfs_node *parent, const char *name,
				   size_t len, const struct fsmsg_attr *a);
/** podfs_node_forget() - the kernel does, @count times */
void podfs_node_forget(struct podfs_nodes *t, uint64_t id, uint64_t count);
/** podfs_node_put() - a file of @n was closed: @n may be gone then */
void podfs_node_put(struct podfs_nodes *t, struct podfs_node *n);
/** podfs_node_path() - of @name (may be NULL) in @n into @out; how long it is,
 *  or -ENAMETOOLONG, -ESTALE */
KT_CHECK ssize_t podfs_node_path(const struct podfs_node *n, const char *name,
				 size_t len, char out[FSMSG_PATH_MAX]);
/** podfs_node_ino() - as the program sees it: files of one number on two
 *  devices of a volume are two */
uint64_t podfs_node_ino(const struct podfs_node *n, const struct fsmsg_attr *a);

#endif

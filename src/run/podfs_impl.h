/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODFS_IMPL_H
#define KT_RUN_PODFS_IMPL_H

#include "run/podfs.h"
#include "run/podfs_link.h"
#include "run/podfs_node.h"
#include "wire/fusemsg.h"

/** struct podfs_file - an open file or folder */
struct podfs_file {
	struct list node; /* of its podfs_node */
	struct podfs_node *of;
	uint32_t handle;
	unsigned int stream; /* that it is good for */
};

/** struct podfs_ask - a request of the kernel's that is on its way */
struct podfs_ask {
	struct podfs_call call;
	struct list node; /* of @asks */
	uint64_t unique, nodeid;
	uint32_t opcode, size, pid;
	unsigned int stream;
	bool interrupted;
	bool over; /* it has failed already; the answer is for nobody */
	size_t len;
	char name[FSMSG_NAME_MAX]; /* LOOKUP */
};

struct podfs {
	struct loop *loop;
	struct podfs_link *link;
	struct podfs_nodes nodes;
	struct watch watch; /* owns the device */
	int fd;		    /* -1: none yet */
	struct list asks;
	struct timer killed;	  /* looks whether who was interrupted is */
	struct podfs_file **file; /* the kernel's number minus 1 */
	size_t nfile;
	uint32_t uid, gid; /* whose the files are */
	bool told;
	uint8_t *in;  /* FUSEMSG_MAX */
	uint8_t *out; /* PODFS_OUT_MAX */
};

/* entries take less in the kernel's form than was counted (fsmsg.h) */
#define PODFS_OUT_MAX ((size_t)FSMSG_DATA_MAX + 1024)

/** podfs_reply() - to the kernel: @error (positive errno) or @len bytes */
void podfs_reply(const struct podfs *p, uint64_t unique, int error,
		 const void *data, size_t len);
/** podfs_answered() - what came for @q is the kernel's now */
void podfs_answered(struct podfs *p, struct podfs_ask *q,
		    const struct fsmsg_answer *a);
/** podfs_file() - the kernel's @fh, or NULL */
struct podfs_file *podfs_file(const struct podfs *p, uint64_t fh);
/** podfs_is_killed() - the thread @pid has SIGKILL to take, or is gone */
bool podfs_is_killed(uint32_t pid);

#endif

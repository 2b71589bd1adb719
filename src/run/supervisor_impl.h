/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_SUPERVISOR_IMPL_H
#define KT_RUN_SUPERVISOR_IMPL_H

#include "base/list.h"
#include "run/supervisor.h"

#include <linux/seccomp.h>
#include <sys/types.h>

#define SUPERVISOR_DATAGRAM 65536
#define SUPERVISOR_BUCKETS 1024 /* of sockets, by inode */
/* how often it is looked whether a call that waits is to be broken off */
#define SUPERVISOR_TICK (100 * NS_MS)
/* for supervisor_answer(): EINTR, or the call once more, as the handler of the
 * signal was set up (SA_RESTART); the kernel's, which user space never sees
 * where a signal waits. A call with a time-out of its socket is EINTR in any
 * case. */
#define SUPERVISOR_RESTART 512

/** struct supervised - a socket of the program */
struct supervised {
	struct list node, bucket;
	struct supervisor *s;
	ino_t inode;
	int family, type;
	int copy; /* -1: it was given up */
	bool seen;
	struct ipport peer; /* connected to; family 0: not by us */
	/* UDP */
	struct list flows;   /* of supervised_flow */
	struct list waiting; /* of supervised_wait */
	struct watch watch;  /* of @copy, for those */
};

struct supervisor {
	struct capture base;
	struct loop *loop;
	const struct supervisor_ops *ops;
	void *user;
	struct watch watch; /* owns the listener of the filter */
	struct list sockets;
	struct list buckets[SUPERVISOR_BUCKETS]; /* the same, to be found */
	size_t n, sweep_at;
	struct timer sweep;
	int64_t pause; /* until the next one */
	/* TCP */
	int tcp[2]; /* listeners: IPv4, IPv6; -1: there is none */
	struct ipport tcp_at[2];
	struct list attempts;
	size_t nattempts;
	/* UDP */
	uint64_t flow_id;
	uint8_t *datagram; /* SUPERVISOR_DATAGRAM */
	bool open;	   /* the capture is */
};

/** struct supervised_call - one that the program waits in */
struct supervised_call {
	uint64_t id;
	pid_t pid;
	int nr;
	const __u64 *args;
};

/* --- supervisor.c: answers */
void supervisor_answer(struct supervisor *s, uint64_t id, int64_t value,
		       int error);
void supervisor_continue(struct supervisor *s, uint64_t id);
/** supervisor_is_there() - it waits still: what was read was the program's */
bool supervisor_is_there(const struct supervisor *s, uint64_t id);

/* --- supervisor_mem.c: what is the program's; 0 or -errno */
KT_CHECK int supervisor_read(pid_t pid, uint64_t at, void *to, size_t n);
KT_CHECK int supervisor_write(pid_t pid, uint64_t at, const void *from,
			      size_t n);
/** supervisor_read_addr() - -EAFNOSUPPORT: another family */
KT_CHECK int supervisor_read_addr(pid_t pid, uint64_t at, uint64_t len,
				  struct ipport *out);
/** supervisor_write_addr() - as recvfrom() does: at most *@len_at bytes (@at 0:
 *  none); an IPv6 socket has IPv4 addresses mapped */
KT_CHECK int supervisor_write_addr(pid_t pid, uint64_t at, uint64_t len_at,
				   const struct ipport *addr, int family);
socklen_t supervisor_sockaddr(const struct ipport *addr, int family,
			      struct sockaddr_storage *ss);
/** supervisor_inode() - of a socket, or 0 */
ino_t supervisor_inode(pid_t pid, int fd);
/** supervisor_is_interrupted() - thread @tid has a signal waiting for which the
 *  program has a handler: it does not run before the call is answered */
bool supervisor_is_interrupted(pid_t tid);
/** supervisor_see() - @see each socket that a process of ours has open */
void supervisor_see(void (*see)(void *user, ino_t inode), void *user);

/* --- supervisor.c: sockets */
struct supervised *supervised_find(struct supervisor *s, ino_t inode);
void supervised_give_up(struct supervised *k); /* its copy */
bool supervised_is_nonblocking(const struct supervised *k);

/* --- supervisor_tcp.c */
KT_CHECK int supervisor_tcp_open(struct supervisor *s, struct kt_error *err);
void supervisor_tcp_close(struct supervisor *s);
void supervisor_tcp_connect(struct supervisor *s,
			    const struct supervised_call *c,
			    struct supervised *k, const struct ipport *dst);
void supervisor_tcp_answer(struct capture *base, struct capture_tcp *c,
			   int errnum);
void supervisor_tcp_finish(struct capture *base, int fd);

/* --- supervisor_udp.c */
void supervisor_udp_connect(struct supervisor *s,
			    const struct supervised_call *c,
			    struct supervised *k, const struct ipport *dst);
/** supervisor_udp_take() - @n bytes for @dst; 0 or -errno */
KT_CHECK int supervisor_udp_take(struct supervised *k, const struct ipport *dst,
				 const uint8_t *data, size_t n);
void supervisor_udp_drop(struct supervised *k); /* its flows */
int supervisor_udp_send(struct capture *base, const struct ipport *from,
			const struct ipport *to, const uint8_t *data,
			size_t len);
void supervisor_udp_error(struct capture *base, const struct ipport *src,
			  const struct ipport *dst, int errnum);
/** supervisor_udp_origin() - who has sent what came from @from */
struct ipport supervisor_udp_origin(const struct supervised *k,
				    const struct ipport *from);

/* --- supervisor_msg.c: system calls with a message */
void supervisor_on_send(struct supervisor *s, const struct supervised_call *c);
void supervisor_on_receive(struct supervisor *s,
			   const struct supervised_call *c);
void supervised_stop_waiting(struct supervised *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_RIG_H
#define KT_TEST_RIG_H

#include "base/loop.h"
#include "tunnel/client.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: Rig
 *
 * The real shadow program beside the test, and a tunnel to it over a TCP
 * connection to its port on 127.0.0.1, instead of the port-forward.
 */

#define RIG_BULK_MAX 256

struct rig {
	struct loop *loop;
	struct tunnel *tunnel;
	pid_t shadow;
	uint16_t port;
	bool up, lost, dead;
	unsigned int resumed;
	int dead_code;
	bool bulk;    /* give the tunnel carriers for bulk */
	int bulk_fd;  /* of the last one */
	int bulk_had; /* how many were asked for */
	struct {
		int fd;
		ino_t ino; /* a number is used again, an inode is not */
	} bulk_all[RIG_BULK_MAX];
	bool bulk_small; /* their sockets take little at a time */
	bool bulk_hangs; /* nobody answers on them */
	int bulk_most;	 /* no more than these are to be had; 0: any */
	bool no_ipv6;	 /* the shadow has no AF_INET6 */
	char why[256];
};

/** rig_far_ns - far_ns of the session_config of further tunnels; 0: the default
 */
extern int64_t rig_far_ns;

/** rig_start() - @args: more options for the shadow, NULL-terminated, or NULL;
 *  the tunnel is up on return */
void rig_start(struct rig *r, char *const *args);
/** rig_start_without_ipv6() - the same on a node without AF_INET6 */
void rig_start_without_ipv6(struct rig *r, char *const *args);
void rig_stop(struct rig *r);
/** rig_second() - another tunnel to the same shadow takes the place of the
 * first (returned, caller frees) */
struct tunnel *rig_second(struct rig *r);
/** rig_join() - another client, with its own loop, of the shadow of @of */
void rig_join(struct rig *r, const struct rig *of);
void rig_leave(struct rig *r);
/** dead_socket() - a stream socket whose other end is closed */
int dead_socket(void);
/** rig_connect() - a new carrier for the tunnel */
void rig_connect(struct rig *r);
/** rig_wait() - serve events until *@done; fails the test after 60 s */
void rig_wait(struct rig *r, const bool *done);
/** rig_readable() - serve events until @fd has something to read, or its end;
 *  fails the test after 60 s */
void rig_readable(struct rig *r, int fd);
/** rig_cut_bulk() - one of the carriers for bulk that are open breaks, the
 *  @n-th of them and so on in turn; none does while one is being opened: who
 *  cannot have one asks for no more during a minute */
void rig_cut_bulk(struct rig *r, unsigned int n);
/** rig_dial() - dial and wait; 0 with *@tcp, or -errno */
int rig_dial(struct rig *r, const struct ipport *dst, struct tunnel_tcp **tcp);
/** rig_pair() - dial and relay: the near end of the connection, blocking */
int rig_pair(struct rig *r, const struct ipport *dst);

/** local_listen() - a listening TCP socket on 127.0.0.1 */
int local_listen(struct ipport *at);
/** free_port() - a TCP port of 127.0.0.1 that nobody listens on */
uint16_t free_port(void);
struct ipport local_port(uint16_t port);
/** rig_rss() - resident KiB of the shadow; rig_fds() - its descriptors */
long rig_rss(const struct rig *r);
int rig_fds(const struct rig *r);

#endif

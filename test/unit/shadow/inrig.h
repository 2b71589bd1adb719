/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_INRIG_H
#define KT_TEST_INRIG_H

#include "rig.h"

#include "tunnel/inbound.h"
#include "wire/event.h"

/**
 * DOC: Inbound rig
 *
 * The real shadow, serving two ports, and laptops of the inbound way beside the
 * test, in its loop. Sockets are non-blocking; what waits serves events, 20 s
 * at most.
 */

extern struct rig rig;
extern uint16_t port, port2; /* that the shadow serves */
extern int origin;	     /* listens; behind port, nothing behind port2 */

struct laptop {
	struct inbound *in;
	struct ipport local;
	int listener; /* at local, which has both ports' callers */
	bool up, accepted, lost, dead, refused, ending;
	bool wait; /* told that the shadow ends: have it wait */
	unsigned int resumed, callers;
	uint64_t copies_sent, copies_dropped;
	struct inbound_caller last;
	char holder[64], text[256];
	bool watching;
	char events[2048]; /* one after the other, as far as they are the same
			      each time */
	uint64_t missed;
	size_t nevents;
	struct event event; /* the last one */
};

/** laptop_observes - the next laptop_new() looks for HTTP in what comes */
extern bool laptop_observes;
/** laptop_owner, laptop_dead - who the program of the next laptop_new() is, and
 * of whom it knows that he is dead; NULL: nobody */
extern const char *laptop_owner, *laptop_dead;
/** laptop_told() - wait until it has heard of @n events in all; what of them */
const char *laptop_told(struct laptop *l, size_t n);

/** laptop_new() - with the rules @a and @b (may be NULL); accepted or refused
 *  on return */
void laptop_new(struct laptop *l, const char *user, unsigned int grace,
		const char *a, const char *b);
/** laptop_new_some() - the same; only the first @nports of port, port2, and
 * both for UDP, lead to anything, others are refused */
void laptop_new_some(struct laptop *l, const char *user, unsigned int grace,
		     const char *a, const char *b, size_t nports);
void laptop_free(struct laptop *l);
void laptop_attach(struct laptop *l);
/** laptop_cut() - the network is gone */
void laptop_cut(struct laptop *l);

int connect_to(uint16_t to);
int accept_one(int l);
bool nobody_comes(int l);
/** get() - like recv(), or -errno; serves events, unless @fd blocks */
ssize_t get(int fd, void *buf, size_t n);
/** say() - from one end to the other */
void say(int from, int to, const char *text);
void reset(int fd);
/** all() - the rule "PORT all"; two at a time */
const char *all(uint16_t p);

/** start(), stop() - for cmocka; the protocol of the ports is SERVE_PROTO, or
 *  "tcp" */
int start(void **state);
int stop(void **state);
void start_with(const char *spec);
extern char *start_also; /* one more option for the shadow; or NULL */

#endif

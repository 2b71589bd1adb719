/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_REPORT_H
#define KT_CONTROL_REPORT_H

#include "wire/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct control_report - how a running command is, as it says itself
 *
 * Starts as { 0 }. A command that has several tunnels adds them up: it is as
 * good as the worst of them.
 */
struct control_report {
	size_t tunnels, up; /* how many there are, how many of them are up */
	size_t streams;	    /* open through them */
	int64_t answered;   /* by the shadow, a ping: the oldest of the tunnels'
			       last answers, CLOCK_MONOTONIC; 0: never */
	int64_t latency;    /* ns, the longest of them */
	uint64_t bytes_in, bytes_out; /* through all tunnels so far */
	unsigned int reconnects;
	bool copying; /* it gets copies of requests: so many have come, and so
			 many were dropped */
	uint64_t copies_sent, copies_dropped;
	const char *why;	    /* the connection was lost last; borrowed */
	int64_t when_lost;	    /* Unix seconds; 0: it never was */
	const struct fault *faults; /* in force; borrowed */
	size_t nfaults;
};

/** struct control_source - whom to ask; called from the loop */
struct control_source {
	/** probe() - have the other end of every tunnel answer a ping */
	void (*probe)(void *user);
	/** report() - add to @r */
	void (*report)(void *user, struct control_report *r);
	/** watch() - somebody wants to know of requests, or nobody any more;
	 *  NULL: it sees none */
	void (*watch)(void *user, bool on);
};

#endif

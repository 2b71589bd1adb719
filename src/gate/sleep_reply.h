/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_REPLY_H
#define KT_GATE_SLEEP_REPLY_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/slice.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: What the API server says to a sleeper
 *
 * One answer for each connection, so its end is the end of the body, or what
 * the head says is. Two kinds of objects are looked into: a Scale
 * (autoscaling/v1) and an Endpoints (v1). Pure.
 */

#define SLEEP_REPLY_MAX ((size_t)1 << 20) /* head and body */
#define SLEEP_ADDRESSES 128
#define SLEEP_VERSION_SIZE 64

/** struct sleep_reply - an answer; fini in any case */
struct sleep_reply {
	unsigned int status;
	json_t *body;	   /* an object; NULL: it was none */
	char message[256]; /* of a Status that says what is wrong, or "" */
};

/**
 * sleep_reply_read() - the answer in @data, whole if @eof
 * Return: 0 with @r; -EAGAIN: it goes on; -EBADMSG: it is none, or was cut off;
 * -E2BIG
 */
KT_CHECK int sleep_reply_read(struct sleep_reply *r, const void *data,
			      size_t len, bool eof);
void sleep_reply_fini(struct sleep_reply *r);

/** struct sleep_scale - of a Scale */
struct sleep_scale {
	int replicas; /* that are wanted */
	char version[SLEEP_VERSION_SIZE];
};

/** sleep_scale_read() - 0 or -EBADMSG */
KT_CHECK int sleep_scale_read(struct sleep_scale *s, const json_t *body);
/** sleep_scale_patch() - a merge patch: @replicas, if nobody has written since
 *  @s was read (returned, caller frees) */
char *sleep_scale_patch(const struct sleep_scale *s, int replicas);

/**
 * sleep_addresses_read() - where Pods are ready for port @name ("": the one
 * without a name) of the Endpoints @body
 * Return: how many are in @out, SLEEP_ADDRESSES at most; -EBADMSG
 */
KT_CHECK ssize_t sleep_addresses_read(struct ipport out[SLEEP_ADDRESSES],
				      const json_t *body, const char *name);

#endif

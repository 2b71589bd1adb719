/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_FAULT_H
#define KT_WIRE_FAULT_H

#include "base/error.h"
#include "base/ipaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Faults
 *
 * A fault says what shall go wrong with this machine's own traffic to a target:
 *
 *     fault    = target 1*(SP effect)
 *     target   = where [":" PORT] ["/tcp" / "/udp"]
 *     where    = "*" / NAME / ADDRESS / CIDR / "[" (IPv6 address or CIDR) "]"
 *     effect   = "latency=" DURATION        answers come so much later
 *              / "jitter=" DURATION         latency, more or less that
 *              / "rate=" RATE               of each direction
 *              / "refuse"                   as if nobody listened
 *              / "reset"                    with the first bytes
 *              / "drop"                     silence
 *              / "percent=" 1..100          how many of them are hit
 *     DURATION = NUMBER ("ms" / "s" / "m")            1ms to 10m
 *     RATE     = NUMBER ["k" / "m" / "g"]             bytes a second, 1024s
 *              / NUMBER ("kbit" / "mbit" / "gbit")    bits a second, 1000s
 *
 * refuse, reset and drop exclude each other. Pure: no I/O, no allocation.
 */

#define FAULTS_MAX 16
#define FAULT_TEXT_MAX 400

enum fault_proto { FAULT_ANY, FAULT_TCP, FAULT_UDP };
enum fault_act { FAULT_SLOW, FAULT_REFUSE, FAULT_RESET, FAULT_DROP };

struct fault {
	char text[FAULT_TEXT_MAX]; /* canonical */
	bool all;		   /* "*"; else one of the next two */
	struct ipprefix range;	   /* family 0: a name */
	char name[255];		   /* lower case, perhaps a dot behind it */
	uint16_t port;		   /* 0: any */
	enum fault_proto proto;
	enum fault_act act;
	int64_t latency, jitter; /* ns; 0: none */
	uint64_t rate;		 /* bytes a second; 0: any */
	unsigned int percent;	 /* 1..100 */
	uint64_t hits;		 /* counted by who uses it */
};

/** struct fault_list - as many as were asked for */
struct fault_list {
	struct fault *v;
	size_t n;
};

/** fault_effects - their names; NULL-terminated */
extern const char *const fault_effects[];

/**
 * fault_parse() - 0, or -EINVAL with @err
 * @unknown: or NULL: set to the word in @text that should be an effect and is
 * none, of *@len bytes; NULL when that is not what is wrong
 */
KT_CHECK int fault_parse(struct fault *f, const char *text,
			 const char **unknown, size_t *len,
			 struct kt_error *err);
/** fault_is_at() - @f is about that port and protocol */
bool fault_is_at(const struct fault *f, enum fault_proto proto, uint16_t port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_SPEC_H
#define KT_FORWARD_SPEC_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "cli/expose.h"
#include "cli/subject.h"

#include <stdbool.h>

/**
 * DOC: The words of forward
 *
 *     TARGET [PORT...] [TARGET [PORT...]]...
 *
 *     TARGET = [svc/]NAME[.NAMESPACE] | deployment/NAME | statefulset/NAME
 *              | pod/NAME | ADDRESS | a name of DNS, with a dot in it
 *     PORT   = LOCAL[:REMOTE][/tcp|/udp] | :REMOTE[/tcp|/udp]
 *
 * LOCAL 0 and a missing LOCAL are any port that is free. REMOTE is a number or
 * the name of a port. A word that begins with a digit or ':' is a PORT, unless
 * it is an address or has a dot; so a PORT never looks like a TARGET. Pure:
 * what NAME.NAMESPACE is, a Service or only a name, the cluster knows.
 */

#define FORWARD_TARGETS_MAX 64
#define FORWARD_PORTS_MAX 256 /* of all targets */

/** struct forward_port - as it was typed */
struct forward_port {
	const char *text; /* borrowed from the command line */
	uint16_t local;	  /* 0: any */
	bool has_remote;  /* else only LOCAL was given */
	uint16_t number;  /* of the remote one; 0: it has a name */
	char name[64];	  /* or "" */
	enum expose_proto proto;
};

enum forward_kind {
	FORWARD_OBJECT,	 /* subject */
	FORWARD_MAYBE,	 /* subject, a Service, if there is one; else host */
	FORWARD_ADDRESS, /* addr */
	FORWARD_HOST,	 /* host */
};

struct forward_target {
	const char *text; /* borrowed from the command line */
	enum forward_kind kind;
	struct subject subject;
	struct ipaddr addr;
	char host[255]; /* as typed, what DNS makes of case is its own */
	struct forward_port *port;
	size_t nport;
};

struct forward_spec {
	struct forward_target *v;
	size_t n;
};

/** forward_spec_parse() - @words are borrowed for its life; 0, or -EINVAL with
 *  @err, and @s is empty */
KT_CHECK int forward_spec_parse(struct forward_spec *s, char *const *words,
				size_t n, struct kt_error *err);
void forward_spec_fini(struct forward_spec *s);

#endif

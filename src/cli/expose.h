/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_EXPOSE_H
#define KT_CLI_EXPOSE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: --expose
 *
 *     ITEM,...     ITEM = LOCAL[:REMOTE][/tcp|/udp]
 *
 * LOCAL is a port of this machine. REMOTE says which port of the Service is
 * meant: by the number that its Pods listen on, by the Service's own number, or
 * by name; without it the number of LOCAL.
 */

enum expose_proto { EXPOSE_ANY, EXPOSE_TCP, EXPOSE_UDP };

struct expose_item {
	uint16_t local;
	uint16_t number; /* of the remote port; 0: it has a name */
	char name[64];	 /* of the remote port, or "" */
	enum expose_proto proto;
};

struct expose {
	struct expose_item *v;
	size_t n;
};

/** expose_parse() - @text may be empty; @e is written only on success */
KT_CHECK int expose_parse(struct expose *e, const char *text,
			  struct kt_error *err);
void expose_fini(struct expose *e);
/** expose_is_port_name() - an IANA service name, as Kubernetes wants it, or the
 *  name of a Service's port */
bool expose_is_port_name(const char *text);
/** expose_cut_proto() - cut "/tcp" or "/udp" off; false: it is another word */
bool expose_cut_proto(char *text, enum expose_proto *proto);

#endif

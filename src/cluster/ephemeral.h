/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_EPHEMERAL_H
#define KT_CLUSTER_EPHEMERAL_H

#include "base/error.h"
#include "base/str.h"
#include "cluster/svcports.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: The shadow as an ephemeral container of somebody's Pod
 *
 * It lives in the Pod's network, and leads callers of the Pod's ports away
 * while a laptop wants them. That needs NET_ADMIN, hence root: the one thing we
 * make that PodSecurity "baseline" and "restricted" refuse. Kubernetes never
 * removes or restarts such a container; it ends by itself. Pure.
 */

#define EPHEMERAL_SINCE 25 /* Kubernetes 1.25 */
#define EPHEMERAL_PREFIX "kt-exchange-"
#define EPHEMERAL_GUEST_PREFIX "kt-run-"
#define EPHEMERAL_ENV_USER "SHADOW_USER" /* whose it is */
#define EPHEMERAL_ENV_MACHINE "SHADOW_MACHINE"
#define EPHEMERAL_NAME_SIZE (sizeof(EPHEMERAL_PREFIX) + 5)

enum ephemeral_state {
	EPHEMERAL_ABSENT, /* also: ended */
	EPHEMERAL_WAITING,
	EPHEMERAL_RUNNING,
	EPHEMERAL_FAILED, /* it will not start */
};

/** ephemeral_eligible() - @pod runs, is no Pod of ours, and has a network of
 *  its own */
bool ephemeral_eligible(const json_t *pod);
/** ephemeral_serve() - SHADOW_SERVE of one in @pod (returned, caller frees) */
char *ephemeral_serve(const struct service_ports *ports, const json_t *pod);
/** ephemeral_patch() - a strategic merge patch that adds the container @name
 *  (returned, caller decrefs); @listen: of the tunnel, on 127.0.0.1 */
json_t *ephemeral_patch(const json_t *pod, const char *name, const char *image,
			bool always_pull, const char *serve, uint16_t listen);
/** struct ephemeral_guest - one that leads nobody away and so needs no right at
 *  all: it dials from the Pod's network; all borrowed */
struct ephemeral_guest {
	const char *name, *image;
	bool always_pull;
	uint16_t listen;
	long keep_s; /* without its user it waits so long */
	/* the Pod's volumes that it has mounted, read-only, for who knows the
	 * secret of @digest (SHA-256, hexadecimal); NULL or empty: none */
	const struct strv *volumes;
	const char *digest;
	/* whose container's they are: what that may read it may read, where the
	 * spec says who it is */
	const json_t *pod, *container;
};

/** ephemeral_guest_patch() - likewise */
json_t *ephemeral_guest_patch(const struct ephemeral_guest *g);
/** ephemeral_sign() - whose container it is: birdseye tells it */
void ephemeral_sign(json_t *patch, const char *user, const char *machine);
/** ephemeral_port() - for its tunnel: one that no program of @pod has, as far
 *  as it says */
uint16_t ephemeral_port(const json_t *pod);
/** ephemeral_hint() - what to do when the server refused it, if that is because
 *  of PodSecurity */
void ephemeral_hint(struct kt_error *err);
/** ephemeral_has_probe() - of the node, over the network: callers from the
 *  node's own addresses are spared then */
bool ephemeral_has_probe(const json_t *pod);
/** ephemeral_declares() - a container of @pod says that it listens on @port */
bool ephemeral_declares(const json_t *pod, uint16_t port);
/** ephemeral_look() - how it is with container @name; @why (EPHEMERAL_FAILED,
 *  and the last words of one that ended) may be NULL */
enum ephemeral_state ephemeral_look(const json_t *pod, const char *name,
				    struct kt_error *why);
/**
 * ephemeral_find() - a shadow that runs in @pod already and has these ports
 * @but: not this one ("": any)
 * Return: 1: in @name and @listen; 0: none; -EBUSY with @err: one has some of
 * these ports.
 */
KT_CHECK int ephemeral_find(const json_t *pod, const char *serve,
			    const char *but, char name[EPHEMERAL_NAME_SIZE],
			    uint16_t *listen, struct kt_error *err);

#endif

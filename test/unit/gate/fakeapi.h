/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_GATE_FAKEAPI_H
#define KT_UNIT_GATE_FAKEAPI_H

#include "base/buf.h"
#include "base/list.h"
#include "base/loop.h"
#include "net/listener.h"

#include <stdbool.h>

/**
 * struct fakeapi - an API server with one Deployment, its Endpoints, and the
 * Pod: all in the test's loop, over plain TCP on 127.0.0.1
 *
 * A patch of the scale is taken as the real one does: with the version that is
 * the present one, else 409. With replicas the Pod is ready after @start_ns,
 * and listens @deaf_ns later.
 */
struct fakeapi {
	struct loop *loop;
	struct listener api, pod;
	struct ipport at, pod_at;
	struct list conns;
	struct timer starting, listening;
	int64_t start_ns, deaf_ns;
	int replicas, version;
	bool ready;	  /* the Pod */
	bool never_ready; /* whatever is asked for */
	bool deleted;
	bool no_length; /* answers end with the connection, or are chunked */
	bool chunked;
	/* the next @fail requests get @status (0: a reset; 1: nothing at all);
	 * @fail_patch: only patches */
	int fail, status;
	bool fail_patch;
	/* before the next patch is looked at somebody writes: its version */
	bool race;
	int scale_gets, patches, address_gets; /* that came */
	int woken, slept;		       /* that were carried out */
	int pod_calls, pod_conns;	       /* requests, connections */
	char last_auth[64];
	bool pod_holds; /* the Pod answers nothing */
};

void fakeapi_start(struct fakeapi *f, struct loop *l);
void fakeapi_stop(struct fakeapi *f);
/** fakeapi_scale() - somebody else's kubectl scale */
void fakeapi_scale(struct fakeapi *f, int replicas);
/** fakeapi_pod_stop() - the Pod refuses connections, and is in the Endpoints */
void fakeapi_pod_stop(struct fakeapi *f);

#endif

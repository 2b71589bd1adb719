/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_CONTAINER_H
#define KT_DOCTOR_CONTAINER_H

#include "cli/options.h"
#include "doctor/finding.h"
#include "kube/client.h"

/** struct container_check - all borrowed */
struct container_check {
	struct kube *kube;
	const char *ns; /* of the Service */
	const struct global_options *global;
	int minor;	       /* of the server's version */
	const json_t *service; /* NULL: none is named */
	const json_t *pods;    /* of its selector (array); or NULL */
};

/**
 * container_check() - what exchange --mode ephemeral needs in place of a Pod of
 * its own: an image, a server that knows ephemeral containers, and that it
 * admits the container, by a dry run in one of the Service's Pods. Waits in the
 * loop.
 */
void container_check(struct findings *f, const struct container_check *c);

#endif

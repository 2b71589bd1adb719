/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_POD_OPTIONS_H
#define KT_CLUSTER_POD_OPTIONS_H

#include "base/str.h"

#include <stdbool.h>

/** struct pod_quota - Kubernetes quantities ("0.5", "512Mi"), or NULL */
struct pod_quota {
	char *cpu;
	char *memory;
};

#define POD_USER_NOBODY 65534L
#define POD_USER_NONE (-1L) /* the platform's choice: nothing is said of it */
#define POD_USER_MAX 2147483647L

/** struct pod_options - what the user said of the Pods that are made; what was
 *  not said is NULL, empty or false */
struct pod_options {
	char *image;		 /* or NULL: the program is brought along */
	char *base_image;	 /* for that; or NULL: one that is there */
	char *image_pull_secret; /* or NULL */
	char *service_account;	 /* never NULL */
	struct pairs node_selector;
	struct pairs labels;
	struct pairs annotations;
	struct pod_quota quota;
	int creation_timeout; /* seconds, >= 1 */
	/* user and group of its processes, or POD_USER_NONE; 0: nobody */
	long run_as_user;
	bool deployment;   /* a Deployment in place of a Pod */
	bool force_update; /* pull the image although the node has it */
};

#endif

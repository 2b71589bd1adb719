/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_RECOVER_PLAN_H
#define KT_INBOUND_RECOVER_PLAN_H

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: What recover does for one Service
 *
 * Everything that exchange and mesh did to it is undone at once, whether their
 * users live or not: the Service gets its selector back and loses the lock,
 * what was scaled down comes back, and the shadows, the router, the stuntman
 * and the users' records go. What is being removed already is left alone.
 * Heartbeats do not count here (see clean_plan.h).
 * Pure: objects in, lists out.
 */

/** struct recover_input - borrowed; "items" of lists, NULL: not permitted */
struct recover_input {
	const json_t *service;
	const json_t *pods;	    /* control-by=kt */
	const json_t *services;	    /* control-by=kt */
	const json_t *configmaps;   /* control-by=kt */
	const json_t *deployments;  /* all of the namespace */
	const json_t *statefulsets; /* all of the namespace */
};

struct recover_plan {
	bool restore;  /* kt-selector is there and makes sense */
	bool unlock;   /* only kt-lock is there */
	bool stuck;    /* it leads to a shadow, and nothing says what it was */
	json_t *also;  /* object: names of Services that this one depends on */
	json_t *scale; /* see scale_list.h */
	json_t *pods, *deployments, *services, *configmaps;
};

void recover_plan_make(struct recover_plan *p, const struct recover_input *job);
/** recover_plan_serves() - @obj, one of our Pods or Deployments, is there for
 *  @service, and goes when it is recovered; @original: its own selector */
bool recover_plan_serves(const json_t *obj, const json_t *service,
			 const json_t *original);
void recover_plan_fini(struct recover_plan *p);
/** recover_plan_empty() - there is nothing to do */
bool recover_plan_empty(const struct recover_plan *p);

#endif

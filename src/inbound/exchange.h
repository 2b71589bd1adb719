/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_EXCHANGE_H
#define KT_INBOUND_EXCHANGE_H

#include "cli/options.h"
#include "inbound/job.h"

/**
 * DOC: exchange
 *
 * exchange.c has the command, its tables of steps, and the modes selector and
 * ephemeral; exchange_scale.c has mode scale, whose way of noticing what others
 * do to it is in exchange_scale_keep.c.
 */
struct exchange {
	struct job job;
	const struct exchange_options *opt;

	/* mode scale */
	json_t *workload; /* as it was read */
	const char *resource, *kind;
	char *workload_name;
	json_t *labels;	 /* of its Pods, which the shadow gets as well */
	int replicas;	 /* what it shall have again */
	bool labelled;	 /* the shadow has them */
	bool scaled;	 /* it is at 0, perhaps */
	int64_t lost_at; /* CLOCK_MONOTONIC: the shadow was gone; 0: never */
	struct object_watch *watch; /* of the workload */
	struct repeat told;
	/* what job_take() has set, for the Service */
	int (*service_change)(void *user, struct kt_error *err);
	int (*service_renew)(void *user, struct kt_error *err);

	struct injector *injector; /* mode ephemeral */
};

static inline struct exchange *exchange_of(struct job *job)
{
	return container_of(job, struct exchange, job);
}

/** exchange_look() - the Service, its rules, and whether it is free */
KT_CHECK int exchange_look(struct job *job, struct kt_error *err);
/** exchange_name() - what the shadow of @what (Service or workload) is called
 */
void exchange_name(struct job *job, const char *what);

/** exchange_find_workload() - a step of mode scale: what makes the Service's
 *  Pods; the Service is locked then */
KT_CHECK int exchange_find_workload(struct job *job, struct kt_error *err);
/** exchange_scale_switch() - a step: the Service leads to the shadow alone */
KT_CHECK int exchange_scale_switch(struct job *job, struct kt_error *err);
/** exchange_scale_down() - a step: its Pods make room for the shadow */
KT_CHECK int exchange_scale_down(struct job *job, struct kt_error *err);
/** exchange_scale_undo() - the Pods are there again, then the shadow goes */
void exchange_scale_undo(struct job *job);

/** exchange_scale_label() - the shadow's Pod has the workload's labels, so that
 *  other Services that lead to its Pods lead to it; or not any more */
void exchange_scale_label(struct exchange *x, bool on);
/** exchange_scale_keep() - from now on Service, workload and shadow are as they
 *  should be, or the job ends */
void exchange_scale_keep(struct exchange *x);
/** exchange_scale_let() - not any more */
void exchange_scale_let(struct exchange *x);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_EXCHANGE_H
#define KT_INBOUND_EXCHANGE_H

#include "cli/options.h"
#include "inbound/job.h"

/**
 * DOC: exchange
 *
 * exchange.c has the command, its tables of steps, and the modes selector and
 * ephemeral; exchange_scale.c has mode scale.
 */
struct exchange {
	struct job job;
	const struct exchange_options *opt;

	/* mode scale */
	json_t *workload; /* as it was read */
	const char *resource, *kind;
	char *workload_name;
	json_t *labels; /* of the shadow */
	bool scaled;

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
 *  Pods */
KT_CHECK int exchange_find_workload(struct job *job, struct kt_error *err);
/** exchange_scale_down() - a step: its Pods make room for the shadow */
KT_CHECK int exchange_scale_down(struct job *job, struct kt_error *err);
/** exchange_scale_undo() - the Pods are there again, then the shadow goes */
void exchange_scale_undo(struct job *job);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_NEEDS_H
#define KT_DOCTOR_NEEDS_H

#include "cli/options.h"
#include "doctor/finding.h"
#include "kube/client.h"

/** struct needs - whose permissions are looked at, and where */
struct needs {
	struct kube *kube;
	const char *ns;
	const struct options *o; /* of doctor, and of the command it judges */
	bool named;		 /* the command: else it is one of all */
};

struct rights;

/**
 * needs_check() - the published Roles of @command: those that its flags need
 * as it is configured, and those of its other flags, which are warnings
 * @r: what was asked before
 * Waits in the loop. Return: 0, or -errno with @err when it cannot be asked.
 */
KT_CHECK int needs_check(const struct needs *n, struct rights *r,
			 struct findings *f, const char *command,
			 struct kt_error *err);

#endif

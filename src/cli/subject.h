/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_SUBJECT_H
#define KT_CLI_SUBJECT_H

#include "base/error.h"

/**
 * DOC: What a command is about
 *
 *     NAME             a Service
 *     NAME.NAMESPACE   a Service of that namespace
 *     KIND/NAME        service (svc), deployment (deploy), statefulset (sts),
 *                      pod (po)
 *
 * Only a Service's name cannot hold a dot itself, so only there a namespace may
 * follow one; "NAME.NAMESPACE.svc..." is taken as well.
 */

enum subject_kind {
	SUBJECT_SERVICE,
	SUBJECT_DEPLOYMENT,
	SUBJECT_STATEFULSET,
	SUBJECT_POD,
};

struct subject {
	enum subject_kind kind;
	char name[254];
	char ns[64]; /* "" when it was not named */
};

KT_CHECK int subject_parse(struct subject *s, const char *text,
			   struct kt_error *err);
/** subject_kind_name() - "Service", ... */
const char *subject_kind_name(enum subject_kind kind);

#endif

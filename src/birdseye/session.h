/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_SESSION_H
#define KT_BIRDSEYE_SESSION_H

#include "birdseye/rows.h"

/** struct session_facts - of one who has a Service; all borrowed, NULL: none */
struct session_facts {
	const char *command; /* "exchange", "mesh", "preview" */
	const char *mode;    /* "selector", "auto", ... */
	const char *route;   /* whose routes lead here: "istio", ...; or NULL */
	const char *rule;    /* which requests */
	const char *match;   /* which rule of the shadow's clients it is */
	const json_t *record;	  /* a mesh user's Service */
	const json_t *pod;	  /* the shadow */
	const json_t *deployment; /* that has made it */
};

/** session_row() - its row (returned, caller decrefs) */
json_t *session_row(const struct rows_input *in, const struct session_facts *f);
/** session_connector() - the row of a connect shadow (likewise) */
json_t *session_connector(const struct rows_input *in, const json_t *pod,
			  const json_t *deployment);

#endif

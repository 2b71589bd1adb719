/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_SPECENV_H
#define KT_POD_SPECENV_H

#include "base/str.h"
#include "pod/find.h"
#include "pod/sources.h"

/**
 * DOC: The environment that a Pod's spec gives a container
 *
 * Made as the kubelet makes it: envFrom, then env in its order, with $(NAME)
 * replaced by what came before; then what tells of the Services that were there
 * when the container began (enableServiceLinks). What the image itself sets is
 * not known here.
 */

/**
 * specenv_make() - into @out, which is empty
 * @missing: "SETTING (why)" of each variable that could not be had
 */
void specenv_make(struct strv *out, const struct pod_found *f,
		  struct pod_sources *s, struct strv *missing);

/** specenv_add_api() - KUBERNETES_*, which specenv_make() leaves out where the
 *  namespace "default" may not be looked at; pure */
void specenv_add_api(struct strv *vars, const char *address);

/** specenv_services() - the variables of @services (array) into @out, those
 *  that were made after @began (RFC 3339, or NULL) not; pure */
void specenv_services(struct strv *out, const json_t *services,
		      const char *began);

#endif

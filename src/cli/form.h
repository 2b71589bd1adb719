/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_FORM_H
#define KT_CLI_FORM_H

#include <stdbool.h>

/**
 * DOC: Forms of Kubernetes' texts
 *
 * What the API server, or a node much later, would refuse is refused before
 * anything is made. An empty text has none of these forms, unless it is said.
 */

/** form_is_name() - a DNS subdomain (RFC 1123), as names of objects are */
bool form_is_name(const char *text);
/** form_is_namespace() - a DNS label */
bool form_is_namespace(const char *text);
/** form_is_key() - of a label or an annotation: [PREFIX/]NAME */
bool form_is_key(const char *text);
/** form_is_label() - the value of a label; may be empty */
bool form_is_label(const char *text);
/** form_is_image() - [REGISTRY/]REPOSITORY[:TAG][@DIGEST], as far as its
 *  characters and its parts go */
bool form_is_image(const char *text);

#endif

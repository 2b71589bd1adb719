/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_LASTAPPLIED_H
#define KT_CLUSTER_LASTAPPLIED_H

#include <jansson.h>

/**
 * DOC: What kubectl apply goes by
 *
 * A client-side "kubectl apply" compares three things: the manifest, what is
 * there, and what it has applied last, which it keeps in an annotation. It
 * takes away only what was in the last one. So it would put the user's selector
 * beside ours, in one selector that no Pod has, and nobody would answer. Hence
 * ours is also in that annotation while it stands in the Service: then "apply"
 * takes it away, and the Service is as its owner wrote it.
 *
 * The annotation is text, which is changed where it has to be and nowhere else,
 * so that it is the same byte for byte when ours is out again.
 *
 * Pure: text in, text out.
 */

#define KT_ANNOTATION_LAST_APPLIED                                             \
	"kubectl.kubernetes.io/last-applied-configuration"

/** lastapplied_without() - @text without what lastapplied_with() has put in
 *  (returned, caller frees) */
char *lastapplied_without(const char *text);
/** lastapplied_with() - @text, a Service without ours, whose selector has
 *  kt-role and kt-target of @selector besides (returned, caller frees); the
 *  same when it has no selector */
char *lastapplied_with(const char *text, const json_t *selector);

#endif

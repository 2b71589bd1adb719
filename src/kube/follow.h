/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_FOLLOW_H
#define KT_KUBE_FOLLOW_H

#include <stdbool.h>

/**
 * DOC: The API server has another address
 *
 * When it cannot be reached the kubeconfig is read again, every two seconds at
 * most: whoever moved it has written there where it is now. That is followed,
 * with all else that stands there, if its certificate is to be signed by the
 * same authority as before. Is the authority another one as well, it may be
 * another cluster that has got the context's name, which nothing of what runs
 * here belongs to: that is told, and not followed.
 */

struct kube;

/** kube_follow() - true: it is at another place by now, which the next try will
 *  use */
bool kube_follow(struct kube *k);
/** kube_follow_fini() - of kube_free() */
void kube_follow_fini(struct kube *k);

#endif

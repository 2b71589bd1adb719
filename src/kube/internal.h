/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_INTERNAL_H
#define KT_KUBE_INTERNAL_H

#include "base/list.h"
#include "kube/auth.h"
#include "kube/client.h"
#include "kube/proxy.h"
#include "kube/transfer.h"

#define REST_PAGE "500" /* items in one answer to a list */

struct followed;

/** struct kube - inside; only files of src/kube see it */
struct kube {
	struct loop *loop;
	const struct kube_config *cfg;
	struct kube_auth *auth;
	struct curl_loop curl;
	struct url_host host;	    /* of the server */
	char *proxy;		    /* in curl's spelling, or NULL */
	struct url_host proxy_host; /* of @proxy */

	kube_sock_fn sock_opt;
	void *sock_user;

	struct list ops;     /* struct kube_op, every one */
	struct ahead *ahead; /* or NULL */
	struct list ready;   /* those with streamed bytes to deliver */

	struct followed *followed; /* of kube/follow.c */
	int64_t follow_at;	   /* the kubeconfig was read; 0: never */
	char *follow_refused;	   /* server that was told; or NULL */

	bool leaving;	     /* kube_leave() */
	const bool *hurried; /* or NULL */
	bool gone;	     /* it was waited for long enough */

	bool know_time;
	int64_t skew; /* s: cluster's clock - ours */
};

/** kube_heard_status() - the answer to a request with the credentials of
 *  @round (kube_auth_round()) */
void kube_heard_status(struct kube *k, unsigned int round, int status);
/** kube_heard_date() - a reply's Date header came by */
void kube_heard_date(struct kube *k, const char *value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_AUTH_H
#define KT_KUBE_AUTH_H

#include "base/error.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "kube/kubeconfig.h"

/**
 * DOC: Credentials
 *
 * What a request needs to prove who it is. Static credentials are there at
 * once; a token file is read again every few seconds; an exec plugin is run in
 * the background when its last answer expired or was refused (401), and every
 * request that comes meanwhile waits for that one run.
 *
 * A 401 may pass: the token has run out over night, and somebody will log in
 * again. The token file and the kubeconfig are read anew then, and the plugin
 * is run again, once at once, then after 30 s and at doubling distances, each
 * run may open a page in a browser; until then what there is is sent. What
 * the user sees is one warning, and one line when all is well again. The
 * authority of the server's certificate is renewed likewise.
 */

struct kube_auth;

/** kube_auth_fn - credentials are there (@err NULL), or cannot be had */
typedef void (*kube_auth_fn)(void *user, const struct kt_error *err);

/** struct kube_auth_wait - one who waits; starts zeroed, embedded by its owner
 */
struct kube_auth_wait {
	struct list node;
	bool waiting;
	kube_auth_fn fn;
	void *user;
};

/** kube_auth_new() - @cfg is borrowed and must live as long */
struct kube_auth *kube_auth_new(struct loop *loop,
				const struct kube_config *cfg);
void kube_auth_free(struct kube_auth *a);

/**
 * kube_auth_want() - make sure that fresh credentials are there
 * Return: 1 when they are; 0 when @fn will be called, from the loop.
 */
int kube_auth_want(struct kube_auth *a, struct kube_auth_wait *w,
		   kube_auth_fn fn, void *user);
/** kube_auth_cancel() - @w waits no longer; safe when it never did */
void kube_auth_cancel(struct kube_auth_wait *w);

/** kube_auth_round() - which credentials kube_auth_headers() gives now */
unsigned int kube_auth_round(const struct kube_auth *a);
/** kube_auth_refused() - the server said 401 to those of @round: forget what
 *  can be had anew; true when there is such a thing, or there are others by
 *  now, so that a second try makes sense */
bool kube_auth_refused(struct kube_auth *a, unsigned int round);
/** kube_auth_distrusted() - the server's certificate is of nobody whom the
 *  kubeconfig of @round names: likewise, it may have been renewed on disk */
bool kube_auth_distrusted(struct kube_auth *a, unsigned int round);
/** kube_auth_denied() - and the second try, if there was one, is over */
void kube_auth_denied(struct kube_auth *a);
/** kube_auth_accepted() - the server took those of @round */
void kube_auth_accepted(struct kube_auth *a, unsigned int round);
/** kube_auth_was_accepted() - it has taken some: a 401 may pass */
bool kube_auth_was_accepted(const struct kube_auth *a);

/** kube_auth_headers() - append "Name: value" lines; secrets, do not log */
void kube_auth_headers(struct kube_auth *a, struct strv *out);
/** kube_auth_cert() - client certificate and key in PEM (borrowed), or NULL */
void kube_auth_cert(const struct kube_auth *a, const char **cert,
		    const char **key);
/** kube_auth_set_config() - from now on what stands in @cfg (as in
 *  kube_auth_new()); what a plugin has given stays */
void kube_auth_set_config(struct kube_auth *a, const struct kube_config *cfg);
/** kube_auth_authority() - who may sign the server's certificate, in PEM
 *  (borrowed), or NULL: whom this machine trusts */
const char *kube_auth_authority(const struct kube_auth *a);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_FORWARD_H
#define KT_FORWARD_FORWARD_H

#include "cluster/svcports.h"
#include "kube/client.h"
#include "tunnel/client.h"
#include "wire/envmark.h"

struct app;
struct options;

/** struct forward_env - an environment that a port leads through: the HTTP
 *  requests on it get its mark */
struct forward_env {
	const char *given; /* as it was typed; borrowed */
	/** find() - the mark of the one that is called @given; waits */
	int (*find)(struct kube *k, const char *ns, const char *given,
		    struct envmark *mark, struct kt_error *err);
	/** look() - it leads to @p of @service; waits. *@tls: programs speak
	 *  TLS there, which the Service's router ends: it knows whose requests
	 *  these are by our Pod, and @mark is added there. -errno with @err:
	 *  nobody could add it */
	int (*look)(struct kube *k, const char *ns, const json_t *service,
		    const struct service_port *p, const struct envmark *mark,
		    bool *tls, struct kt_error *err);
	/** known() - the Pod, at @ip, is known for one of @mark's; waits for
	 *  that, some seconds at most. 0 or -EINTR */
	int (*known)(struct loop *loop, struct tunnel *t, const char *ip,
		     const struct envmark *mark);
};

/**
 * forward_session() - one run, until it is ended
 * @words: see forward/spec.h; with @env one target and one port at most
 * @env: NULL: none. A local port that was not typed is the Service's where it
 * can be had, else any other.
 * @role: of deploy/rbac, that is offered after a refusal
 * Return: the exit status
 */
int forward_session(struct app *app, const struct options *o,
		    char *const *words, size_t nwords,
		    const struct forward_env *env, const char *role);

#endif

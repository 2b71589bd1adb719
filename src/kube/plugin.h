/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_PLUGIN_H
#define KT_KUBE_PLUGIN_H

#include "base/error.h"
#include "base/loop.h"
#include "kube/kubeconfig.h"

#include <stdint.h>

/**
 * DOC: Exec plugin
 *
 * One run of a credential plugin (client.authentication.k8s.io) in the
 * background. What it says on stderr is passed on at once. Where its
 * interactiveMode wants a terminal and we have one in the foreground, it gets
 * the terminal itself, stdin and stderr, and is told so; else its stdin is
 * empty, and control characters in what it says are not passed on.
 *
 * Under sudo it runs as the user who called sudo, with his groups and his
 * environment: what it keeps below his home must stay his, and the right to
 * call ktctl by sudo is not one to run any program as root. Only the plugin of
 * root's own ~/.kube/config runs as root.
 */

/** struct plugin_creds - what a plugin gave */
struct plugin_creds {
	char *token, *cert, *key; /* NULL when not given */
	int64_t expires;	  /* Unix seconds, 0: never */
};

void plugin_creds_fini(struct plugin_creds *c);

/** plugin_fn - @creds (taken), or NULL with @err */
typedef void (*plugin_fn)(void *user, struct plugin_creds *creds,
			  const struct kt_error *err);

struct plugin;

/** plugin_start() - run @cfg->exec; @fn is called once, from the loop, unless
 *  plugin_cancel() comes first; @cfg is borrowed until then. 0 or -errno with
 *  @err */
KT_CHECK int plugin_start(struct plugin **out, struct loop *l,
			  const struct kube_config *cfg, plugin_fn fn,
			  void *user, struct kt_error *err);
/** plugin_cancel() - end it; NULL is allowed; not after @fn was called */
void plugin_cancel(struct plugin *p);

#endif

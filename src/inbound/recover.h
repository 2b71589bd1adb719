/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_RECOVER_H
#define KT_INBOUND_RECOVER_H

#include "kube/client.h"

struct app;
struct options;

#define RECOVER_LATE 2

/**
 * DOC: A client of KT Connect that lives
 *
 * watches the Service. When it is changed, the client looks whether its Pod is
 * there and not ending, sleeps 1 to 10 s, and writes its selector again if the
 * Service is not as it wants it; it does not look for its Pod again. So that
 * Pod goes before the Service is written, and the Service is looked at for as
 * long as a client that saw something else before may sleep.
 */

/**
 * recover_service() - undo what exchange and mesh did to a Service
 * @say: one sentence for each thing done; may be NULL
 * @alive: whose clients of KT Connect may write again, "ann, bob" (returned,
 * caller frees), or NULL: nobody's; the pointer may be NULL
 * Waits in the loop (top-level code).
 * Return: 1: something was done; 0: there was nothing to do; RECOVER_LATE: it
 * was done, but Pods of what was scaled back are not ready; -errno with @err.
 */
KT_CHECK int recover_service(struct kube *k, const char *ns, const char *name,
			     void (*say)(void *user, const char *text),
			     void *user, char **alive, struct kt_error *err);

/**
 * recover_service_for_heir() - the same by one who takes the Service at once,
 * with an origin: that of the dead stays, and is his; nothing is waited for
 */
KT_CHECK int recover_service_for_heir(struct kube *k, const char *ns,
				      const char *name,
				      void (*say)(void *user, const char *text),
				      void *user, struct kt_error *err);

/**
 * recover_service_held() - the same by one who has the Service's lock, since
 * @since (update_lock()): it stays until all is removed, so that nobody joins
 * what goes away; the caller drops it. What somebody else has written meanwhile
 * stays, too. -EBUSY: the lock is another's by now, and nothing was removed.
 */
KT_CHECK int recover_service_held(struct kube *k, const char *ns,
				  const char *name, int64_t since,
				  void (*say)(void *user, const char *text),
				  void *user, struct kt_error *err);

/**
 * recover_look_again() - for as long as a client of KT Connect's may sleep: a
 * selector that comes back is taken away again. Waits in the loop.
 * Return: how often; -errno with @err.
 */
KT_CHECK int recover_look_again(struct kube *k, const char *ns,
				const char *name, struct kt_error *err);
/** recover_hold() - the same, and says so; @users: whose client that is */
KT_CHECK int recover_hold(struct app *app, struct kube *k, const char *ns,
			  const char *name, const char *users,
			  struct kt_error *err);
/** recover_after_fn - members of environments were among what was removed, and
 *  are known elsewhere still; 0 or -errno with @err */
typedef int recover_after_fn(struct kube *k, const char *ns,
			     struct kt_error *err);
/** recover_command() - the whole command; returns the exit status */
int recover_command(struct app *app, const struct options *o,
		    recover_after_fn *after);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_WATCH_H
#define KT_KUBE_WATCH_H

#include "kube/client.h"

/**
 * DOC: Watch
 *
 * A list, kept up to date. First every object that is there comes as ADDED,
 * then one SYNCED, then what changes. The watch lives through ended streams
 * (it resumes at the last resourceVersion, bookmarks included), through lost
 * servers (back-off up to 30 s) and through 410 Gone (it lists again and makes
 * up the ADDED, MODIFIED and DELETED that it missed, then SYNCED again). It
 * ends by itself only when the server forbids it or does not know the resource.
 */

enum kube_event {
	KUBE_ADDED,
	KUBE_MODIFIED,
	KUBE_DELETED, /* a made-up one holds only apiVersion, kind, metadata */
	KUBE_SYNCED,  /* no object */
};

struct kube_watch_handler {
	/** event() - @object is borrowed; may stop the watch */
	void (*event)(void *user, enum kube_event type, json_t *object);
	/** failed() - it ended by itself; kube_watch_stop() is still due */
	void (*failed)(void *user, const struct kt_error *why);
};

struct kube_watch;

/** kube_watch_start() - @path of a collection; @query: selectors, escaped
 *  ("fieldSelector=metadata.name%3Dx"), or NULL */
struct kube_watch *kube_watch_start(struct kube *k, const char *path,
				    const char *query,
				    const struct kube_watch_handler *h,
				    void *user);
/** kube_watch_stop() - at any time; no callback any more; NULL is allowed */
void kube_watch_stop(struct kube_watch *w);

#endif

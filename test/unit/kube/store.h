/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_KUBE_STORE_H
#define KT_UNIT_KUBE_STORE_H

#include "fake.h"

#include <jansson.h>

/**
 * DOC: A fake API server with objects
 *
 * GET, POST, PUT, PATCH (merge) and DELETE of objects by path, with versions
 * that conflict as the real server's do, and lists. A dry run changes nothing.
 * A watch is answered with an open stream, on which store_event() writes.
 */
struct store {
	struct world w;
	json_t *objects; /* path: object */
	json_int_t version;
	char log[8192]; /* "PUT /path", one a line; reads are left out */
	size_t listed;	/* objects in the answers of all lists */
	struct fake_conn *stream; /* the last watch */
	/* before() - each request, to play somebody else; true: it was
	 * answered */
	bool (*before)(struct store *s, struct fake_conn *c, const char *method,
		       const char *path, const json_t *body);
	void *user;
};

void store_init(struct store *s);
void store_fini(struct store *s);
/** store_put() - @obj is taken; a new version */
void store_put(struct store *s, const char *path, json_t *obj);
/** store_get() - borrowed, or NULL */
json_t *store_get(const struct store *s, const char *path);
/** store_logged() - how many requests of the log are like "METHOD /path..." */
int store_logged(const struct store *s, const char *start);
void store_event(struct store *s, const char *type, const json_t *obj);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_SHADOW_INTERNAL_H
#define KT_UPLINK_SHADOW_INTERNAL_H

#include "base/loop.h"
#include "cluster/heartbeat.h"
#include "kube/rest.h"
#include "uplink/bootstrap.h"
#include "uplink/shadow.h"

/* Inside; only shadow*.c see it */

struct shadow_pod {
	struct shadow_config cfg;
	char name[256]; /* of the Pod or Deployment; "" before it is made */
	char pod[256];	/* the running Pod */
	char pod_ip[64];
	char node[256];	 /* of the running Pod */
	char guest[64];	 /* the ephemeral container that it is, or "" */
	char avoid[256]; /* the next one shall be on another; "" */
	bool (*stop)(void *user); /* shadow_set_stop() */
	void *stop_user;
	char text[320];	    /* shadow_describe() */
	uint16_t port;	    /* of the tunnel */
	bool joined;	    /* our reference is counted in the shared one */
	bool found;	    /* the shared one was there before us */
	bool inherits;	    /* the Deployment is its predecessor's as well */
	bool maybe_changed; /* the request to make it got no answer */
	/* of the next name, until that was made: a refusal has the same words
	 * each time */
	char tail[6];
	char after[256];    /* the Pod whose place it takes, or "" */
	unsigned int users; /* of that one */
	int64_t since;	    /* of the session; 0: it has made nothing yet */
	/* a 404 that is not believed: since when, and the last one; 0: none */
	int64_t doubted, doubted_last;
	struct heartbeat *beat;
	struct bootstrap bootstrap;
};

/* --- shadow_object.c: its name, and what it is ---------------------------- */

/** shadow_is_router() - the one Pod of its name, since its state is its users';
 *  shadow_is_standing(): ... which also serves those who are not there */
bool shadow_is_router(const struct shadow_pod *s);
bool shadow_is_standing(const struct shadow_pod *s);
bool shadow_is_deployment(const struct shadow_pod *s);
/** shadow_is_gated() - not Ready before its users have their rules in it */
bool shadow_is_gated(const struct shadow_pod *s);
void shadow_make_name(const struct shadow_pod *s, char dst[256]);
void shadow_set_name(struct shadow_pod *s, const char *name);
char *shadow_path(const struct shadow_pod *s, const char *name); /* returned */
int64_t shadow_now(const struct shadow_pod *s);
json_t *shadow_make_object(const struct shadow_pod *s, const char *name);
void shadow_report(struct shadow_pod *s, const char *text);
/** shadow_on_progress() - the same of @user, a struct shadow_pod */
void shadow_on_progress(void *user, const char *text);
bool shadow_is_ending(const json_t *obj);
KT_CHECK int shadow_dry_run(struct shadow_pod *s, const char *name,
			    struct kt_error *err);
/** shadow_hint_user() - the server's words about the user of the processes:
 *  what to do is known */
void shadow_hint_user(struct kt_error *err);

/* --- shadow_shared.c: one that several use -------------------------------- */

enum shadow_seen { SHARED_ABSENT, SHARED_ENDING, SHARED_LIVE };

KT_CHECK int shadow_look(struct shadow_pod *s, const char *name,
			 enum shadow_seen *state, struct kt_error *err);
/** shadow_change_refs() - of its users: read, change the count, write. Without
 *  a user it is deleted, or left as it is (@stay). *@left: the new count. */
KT_CHECK int shadow_change_refs(struct shadow_pod *s, int by, bool stay,
				long *left, struct kt_error *err);
KT_CHECK int shadow_join_or_create(struct shadow_pod *s, struct kt_error *err);

/* --- shadow.c ------------------------------------------------------------- */

KT_CHECK int shadow_create(struct shadow_pod *s, const char *name,
			   struct kt_error *err);
/** shadow_unjoin() - our part of it ends; false: there is none */
bool shadow_unjoin(struct shadow_pod *s);

#endif

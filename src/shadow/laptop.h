/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_LAPTOP_H
#define KT_SHADOW_LAPTOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct laptop;
struct link;
struct mux;
struct shadow;

/**
 * DOC: A client of the inbound way
 *
 * On its session the roles are swapped: we open the streams. The first is the
 * control stream (wire/ruleline.h), by which its rules come into the table.
 * When its carrier is lost they stay in force for the grace time; then they are
 * suspended and every stream to it is ended, so that nobody waits longer than
 * that. When it is back the rules are, if nobody took them.
 */

/** struct laptop_ops - the ports that the rules are about; all are set */
struct laptop_ops {
	/** has() - the shadow listens on this port */
	bool (*has)(void *user, uint16_t port, bool udp);
	/** changed() - other rules are in force, or somebody drains: see
	 *  laptop_port_use() */
	void (*changed)(void *user);
	/** sweep() - some laptop serves no more */
	void (*sweep)(void *user);
};

/** laptop_new() - for the session under @link (borrowed, as @ops and @user);
 *  NULL: memory */
struct laptop *laptop_new(struct shadow *sh, struct link *link,
			  const struct laptop_ops *ops, void *user);
/** laptop_free() - the session is over: its rules are gone */
void laptop_free(struct laptop *l);
void laptop_up(struct laptop *l, bool resumed);
/** laptop_lost() - its carrier is gone, after @silent_ns without a word */
void laptop_lost(struct laptop *l, int64_t silent_ns);
/** laptop_is_suspended() - it is lost for longer than its grace time */
bool laptop_is_suspended(const struct laptop *l);
/** laptop_has_rules() - it serves something, be it suspended */
bool laptop_has_rules(const struct laptop *l);
/** laptop_controls() - how many of its streams are no caller's; NULL: none */
size_t laptop_controls(const struct laptop *l);

enum port_use {
	PORT_UNUSED,  /* nobody has a rule in force for it */
	PORT_DRAINED, /* who has said that the Service leads elsewhere */
	PORT_SERVED,
};

/** laptop_port_use() - what the laptops want of a port; one that drains speaks
 *  for its own rules alone */
enum port_use laptop_port_use(const struct shadow *sh, uint16_t port, bool udp);

/** laptop_port_closed() - who has rules in force for the TCP port refuses all
 * of its callers, and is here */
bool laptop_port_closed(const struct shadow *sh, uint16_t port);

/** laptop_tell_ending() - tell every laptop that the shadow was told to end;
 *  how many were told */
size_t laptop_tell_ending(struct shadow *sh);
/** laptop_waits() - some laptop makes another shadow and wants this one to
 *  serve meanwhile; not one that is away for longer than its grace time */
bool laptop_waits(const struct shadow *sh);

/** laptop_tell_events() - there are more in sh->events: who watches hears of
 *  them, without anybody waiting */
void laptop_tell_events(struct shadow *sh);

/** laptop_put() - append it with its rules (wire/clientline.h); @away: seconds
 *  without a carrier, or CLIENTLINE_HERE; 0 or -errno */
int laptop_put(const struct laptop *l, long away, struct buf *out);

/** laptop_count_copy() - a copy went to the client @id of the table, or was
 *  dropped: it is told */
void laptop_count_copy(const struct shadow *sh, uint64_t id, bool sent);

/** laptop_serving() - how many laptops have rules */
size_t laptop_serving(const struct shadow *sh);

/** laptop_mux() - where streams to the client @id of the table are opened, or
 *  NULL: it is gone */
struct mux *laptop_mux(const struct shadow *sh, uint64_t id);

#endif

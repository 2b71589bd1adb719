/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_TABLE_H
#define KT_ROUTER_TABLE_H

#include "base/error.h"
#include "wire/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Rule table
 *
 * Whose is a request? Clients bring sets of rules; a set is taken as a whole or
 * refused as a whole. A client is here, lost (its rules stay in force for its
 * grace time), suspended (the grace time is over: as if there were no rules),
 * here again, or gone. No two rules in force of two clients overlap
 * (rule_match_overlaps()): the second is refused; and whoever comes back to
 * find his rule taken loses his set.
 *
 * "all" is for what no other rule matches, and an environment (env:NAME) for
 * what no mark of somebody's own is on; of several environments the one that is
 * nearest to what the request asks for. Of several others that match the one of
 * the client who came first wins: whoever has a mark keeps it, however many
 * terms somebody else's rule has.
 *
 * A rule that wants copies takes nothing from anybody: it may overlap with all
 * others, but not be somebody's own (nothing would be left to copy). Of the
 * share that it names no more and no less than one request is missing at any
 * time; which ones, chance decides, so that it does not follow a rhythm of the
 * callers.
 *
 * Pure: no I/O, no clock; @now is CLOCK_MONOTONIC in ns.
 */

#define TABLE_RULES_MAX 4096
#define TABLE_USER_MAX 128

struct table;

/** struct table_conflict - why a set was refused */
struct table_conflict {
	struct rule rule;	     /* the one that is there */
	char holder[TABLE_USER_MAX]; /* by whom */
	uint64_t id;
	int64_t free_ns; /* until his grace time ends; < 0: he is here */
};

struct table *table_new(void); /* NULL: memory */
void table_free(struct table *t);

/** table_join() - a client without rules; its id (never 0, never used again),
 *  or 0: memory */
uint64_t table_join(struct table *t);
/** table_leave() - it is gone, and its rules */
void table_leave(struct table *t, uint64_t id);
/**
 * table_commit() - these are @id's rules from now on, instead of what it had
 * @user, @rules: copied
 * Return: 0; -EEXIST with @c; -ENOSPC; -ENOMEM. Nothing changes on failure.
 */
KT_CHECK int table_commit(struct table *t, uint64_t id, const char *user,
			  int64_t grace_ns, const struct rule *rules, size_t n,
			  int64_t now, struct table_conflict *c);
/** table_lost() - @id has no carrier */
void table_lost(struct table *t, uint64_t id, int64_t now);
/** table_expire() - the grace time of @id, which has no carrier, is over */
void table_expire(struct table *t, uint64_t id, int64_t now);
/** table_back() - @id is here again; 0, or -EEXIST with @c: its rules are gone
 */
KT_CHECK int table_back(struct table *t, uint64_t id, int64_t now,
			struct table_conflict *c);
/** table_choose() - whose @req is (NULL: nobody looks into it); 0: nobody's */
uint64_t table_choose(const struct table *t, uint16_t port, bool udp,
		      const struct rule_request *req, int64_t now);
/** table_choose_env() - likewise, of TCP, and by what: @env is the name of the
 *  environment of its rule (borrowed), "": it is for all, NULL: by a mark of
 *  somebody's own, or nobody's */
uint64_t table_choose_env(const struct table *t, uint16_t port,
			  const struct rule_request *req, int64_t now,
			  const char **env);
/** table_env_away() - somebody has a rule for the environment @name itself that
 *  is suspended: he is away for longer than his grace time */
bool table_env_away(const struct table *t, uint16_t port, const char *name,
		    const struct rule_request *req, int64_t now);
/** table_env_here() - somebody has a rule in force for the environment @name
 *  itself, on whatever port */
bool table_env_here(const struct table *t, const char *name, int64_t now);
/** table_copy_fn - client @id is to have a copy; @here: it is not lost */
typedef void table_copy_fn(void *arg, uint64_t id, bool here);
/** table_copies() - tell @fn of each who is to have a copy of @req, once */
void table_copies(struct table *t, uint16_t port,
		  const struct rule_request *req, int64_t now,
		  table_copy_fn *fn, void *arg);
/** table_whose() - of the client that table_choose() has named: the user
 *  (borrowed), and which of its rules matches; NULL: it is gone, or none does
 */
const struct rule *table_whose(const struct table *t, uint64_t id,
			       uint16_t port, const struct rule_request *req,
			       const char **user);
/** table_has_port() - @id has a rule in force for the port */
bool table_has_port(const struct table *t, uint64_t id, uint16_t port, bool udp,
		    int64_t now);
/** table_serves() - @id has rules, be they suspended */
bool table_serves(const struct table *t, uint64_t id);

#endif

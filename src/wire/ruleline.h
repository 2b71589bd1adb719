/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_RULELINE_H
#define KT_WIRE_RULELINE_H

#include "base/buf.h"
#include "base/error.h"
#include "wire/rule.h"

/**
 * DOC: Lines of the control stream
 *
 * By these lines a laptop tells the shadow its rules (wire/rule.h), and the
 * shadow answers. A line ends in LF and has at most RULELINE_MAX bytes, no
 * control character in it; of those that do not tell an event, 1024.
 *
 *     laptop: "user " WORD           shadow: "version " WORD
 *             "grace " SECONDS               "accepted"
 *             "rule " rule                   "refused " HOLDER [" " TEXT]
 *             "owner " WORD                  "held " WORD
 *             "heir " WORD
 *             "closed " rule
 *             "commit"
 *             "drain"                        "ending"
 *             "wait"                         "able " WORD
 *                                            "copies " SENT " " DROPPED
 *             "watch " on/off                "watching " ID " " NOW
 *                                            "event " ...  (wire/event.h)
 *
 * "closed" says of a rule before it that this laptop refuses whoever comes by
 * it: as long as nobody else has one for the port, it need not be listened on.
 *
 * "drain" says that the Service leads elsewhere now: what callers of the ports
 * it has rules for have open here is to end. "ending": the shadow was told to
 * end (SIGTERM), another one is needed; "wait" is the answer of a laptop that
 * sees to it: the old one goes on serving until this laptop leaves, or its
 * time is over.
 *
 * "owner" is who this laptop's program is (local/owner.h). "held" says before
 * "refused" which owner the holder of the rule is: one who knows him to be dead
 * says "heir" of him, and his set again. The rules of that owner, if his
 * carrier is lost, are suspended as at the end of his grace time.
 *
 * "able" says before the first verdict what more the shadow can: "copy", rules
 * that only want copies. "copies": how many have gone to this laptop since the
 * session began, and how many were dropped.
 * "watch on" asks for the events: the last ones that the shadow has kept, and
 * all from now on. "watching" comes before the first of them: an ID of this
 * shadow and its clock, microseconds since 1970. A shadow that does not know
 * the word says nothing.
 *
 * A WORD is percent-encoded as in rules; a HOLDER of "-" is nobody. Lines that
 * begin with another word are passed over, so that some may be added.
 */

#define RULELINE_MAX 2048
#define RULELINE_WORD_MAX 128
#define RULELINE_GRACE_MAX 3600

enum ruleline_verb {
	RULELINE_OTHER,
	RULELINE_USER,
	RULELINE_GRACE,
	RULELINE_RULE,
	RULELINE_COMMIT,
	RULELINE_VERSION,
	RULELINE_ACCEPTED,
	RULELINE_REFUSED,
	RULELINE_DRAIN,
	RULELINE_ENDING,
	RULELINE_WAIT,
	RULELINE_ABLE,
	RULELINE_COPIES,
	RULELINE_WATCH,
	RULELINE_WATCHING,
	RULELINE_EVENT,
	RULELINE_CLOSED,
	RULELINE_OWNER,
	RULELINE_HELD,
	RULELINE_HEIR,
	RULELINE_NVERBS_
};

struct ruleline {
	enum ruleline_verb verb;
	/* user, version, holder, owner, what it is able to, on or off, ID; ""
	 * for "-" */
	char word[RULELINE_WORD_MAX];
	unsigned int seconds;
	uint64_t sent, dropped; /* of COPIES */
	struct rule rule;
	const char *text; /* the rest of REFUSED, WATCHING, EVENT; borrowed from
			     the line */
};

/** ruleline_parse() - 0, or -errno with @err */
KT_CHECK int ruleline_parse(struct ruleline *l, const char *line,
			    struct kt_error *err);

/** ruleline_put_word() - append "VERB WORD"; 0, -ENOBUFS, -ENOMEM, -EMSGSIZE */
KT_CHECK int ruleline_put_word(struct buf *out, enum ruleline_verb verb,
			       const char *word);
KT_CHECK int ruleline_put_grace(struct buf *out, unsigned int seconds);
KT_CHECK int ruleline_put_copies(struct buf *out, uint64_t sent,
				 uint64_t dropped);
KT_CHECK int ruleline_put_rule(struct buf *out, const struct rule *rule);
/** ruleline_put_closed() - after ruleline_put_rule() of the same */
KT_CHECK int ruleline_put_closed(struct buf *out, const struct rule *rule);
/** ruleline_put() - a verb alone */
KT_CHECK int ruleline_put(struct buf *out, enum ruleline_verb verb);
/** ruleline_put_refused() - @text is cut to what a line can have */
KT_CHECK int ruleline_put_refused(struct buf *out, const char *holder,
				  const char *text);

/** ruleline_put_watching() - @now: microseconds since 1970 */
KT_CHECK int ruleline_put_watching(struct buf *out, const char *id,
				   int64_t now);

/** struct ruleline_reader - cuts bytes into lines; zero is its start state */
struct ruleline_reader {
	char line[RULELINE_MAX + 1];
	size_t n;
	bool whole;
};

/**
 * ruleline_read() - take bytes from @in until a line is whole
 * Return: 1: it is in @r->line, without LF; 0: all bytes were taken; -EMSGSIZE:
 * too long; -EINVAL: a control character. An error is final.
 */
KT_CHECK int ruleline_read(struct ruleline_reader *r, struct rd *in);

#endif

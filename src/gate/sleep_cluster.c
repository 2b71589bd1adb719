/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server says of a sleeper's Deployment and Endpoints, and what
 * follows from it */
#include "base/mem.h"
#include "gate/sleep_inside.h"

#include <string.h>
#include <unistd.h>

#define SLEEP_EMPTY (10 * NS_SEC) /* Endpoints follow within a second */
#define SLEEP_PROBE (2 * NS_SEC)

static void sleep_succeed(struct sleep *s)
{
	s->failures = 0;
	s->again = 0;
	s->answered = true;
	s->why[0] = '\0';
}

/* --- the scale ------------------------------------------------------------ */

/* false: there is nothing to go on with */
static bool sleep_has_answer(struct sleep *s, const struct sleep_reply *r,
			     const char *why)
{
	if (r && r->status == 404)
		sleep_enter(s, SLEEP_GONE, "its Deployment was deleted");
	else if (!r || r->status >= 300)
		sleep_fail(s, why);
	else
		return true;
	return false;
}

static void sleep_on_patched(void *user, const struct sleep_reply *r,
			     const char *why)
{
	struct sleep *s = user;

	/* somebody has written since it was read: read it again */
	if (r && r->status == 409 && s->failures < 5) {
		s->failures++;
		s->again = clock_ns() + SLEEP_BACKOFF / 4;
	} else if (sleep_has_answer(s, r, why)) {
		sleep_succeed(s);
		s->scaled = true;
		s->scaled_at = clock_ns();
	}
	sleep_arm(s, 0);
}

static void sleep_patch(struct sleep *s, int replicas)
{
	auto_free char *body = sleep_scale_patch(&s->scale, replicas);

	sleep_api_ask(s->c.api, SLEEP_PATCH_SCALE, body, sleep_on_patched, s);
}

static void sleep_judge_draining(struct sleep *s)
{
	if (!s->scale.replicas) {
		s->scaled = true;
		s->scaled_at = clock_ns();
	} else if (sleep_is_busy(s)) {
		sleep_enter(s, SLEEP_AWAKE, "a request came");
	} else {
		s->wanted = s->scale.replicas;
		sleep_patch(s, 0);
	}
}

static void sleep_judge_scale(struct sleep *s)
{
	int n = s->scale.replicas;

	switch (s->state) {
	case SLEEP_DRAINING:
		sleep_judge_draining(s);
		break;
	case SLEEP_WAKING:
		if (!n) {
			sleep_patch(s, s->wanted);
			break;
		}
		s->scaled = true;
		s->scaled_at = clock_ns();
		break;
	case SLEEP_ASLEEP:
		if (n)
			sleep_enter(s, SLEEP_WAKING, "somebody has scaled it");
		break;
	case SLEEP_AWAKE:
		sleep_enter(s, n ? SLEEP_DOWN : SLEEP_ASLEEP,
			    n ? "none of its Pods is ready"
			      : "somebody has scaled it to 0");
		break;
	case SLEEP_DOWN:
		if (!n)
			sleep_enter(s, SLEEP_ASLEEP,
				    "somebody has scaled it to 0");
		s->scaled = true;
		s->scaled_at = clock_ns();
		break;
	case SLEEP_GONE:
		sleep_enter(s, SLEEP_STARTING, "the Deployment is there again");
		break;
	case SLEEP_STARTING:
		if (!n)
			sleep_enter(s, SLEEP_ASLEEP, "it has 0 Pods");
		s->scaled = true;
		break;
	case SLEEP_NSTATES_:
		break;
	}
}

static void sleep_on_scale(void *user, const struct sleep_reply *r,
			   const char *why)
{
	struct sleep *s = user;
	unsigned int failures = s->failures;

	s->looked = clock_ns();
	if (sleep_has_answer(s, r, why)) {
		if (sleep_scale_read(&s->scale, r->body) < 0) {
			sleep_fail(s, "the API server's Scale is not one");
		} else {
			sleep_succeed(s);
			/* of a patch that others are in the way of */
			s->failures = s->state == SLEEP_DRAINING ||
						      s->state == SLEEP_WAKING
					      ? MIN(failures, 5U)
					      : 0;
			sleep_judge_scale(s);
		}
	}
	sleep_arm(s, 0);
}

/* --- the addresses -------------------------------------------------------- */

static size_t sleep_npods(const struct sleep *s)
{
	size_t most = 0;

	for (size_t i = 0; i < s->c.nserve; i++)
		most = MAX(most, s->ports[i].npods);
	return most;
}

static void sleep_on_probed(void *user, int fd)
{
	struct sleep *s = user;

	if (fd < 0) {
		snprintf(s->refused, sizeof(s->refused),
			 "a Pod is ready and takes no connection: %s",
			 strerror(-fd));
		s->probed = (s->probed + 1) % s->c.nserve;
		if (s->state == SLEEP_STARTING)
			sleep_enter(s, SLEEP_DOWN, s->refused);
		sleep_arm(s, SLEEP_POLL);
		return;
	}
	close(fd);
	sleep_enter(s, SLEEP_AWAKE, "a Pod is ready");
}

/* Many a Pod is ready before it listens: nobody has said what to probe */
static void sleep_probe(struct sleep *s)
{
	struct sleep_port *p = &s->ports[s->probed];

	for (size_t i = 0; !p->npods && i < s->c.nserve; i++)
		p = &s->ports[i];
	sleep_dial_start(&s->dial, s->c.loop, &p->pods[p->next++ % p->npods],
			 SLEEP_PROBE, sleep_on_probed, s);
}

static void sleep_judge_addresses(struct sleep *s)
{
	size_t n = sleep_npods(s);

	s->stale = false;
	switch (s->state) {
	case SLEEP_STARTING:
		if (n)
			sleep_probe(s);
		else
			sleep_enter(s, SLEEP_DOWN, "none of its Pods is ready");
		break;
	case SLEEP_AWAKE:
		s->empty = !n;
		sleep_dial_all(s);
		break;
	case SLEEP_DRAINING:
		if (!n || clock_ns() - s->since > SLEEP_EMPTY)
			sleep_enter(s, SLEEP_ASLEEP, "nobody asks for it");
		break;
	case SLEEP_WAKING:
	case SLEEP_DOWN:
		if (n)
			sleep_probe(s);
		break;
	case SLEEP_ASLEEP:
	case SLEEP_GONE:
	case SLEEP_NSTATES_:
		break;
	}
}

static int sleep_read_addresses(struct sleep *s, const struct sleep_reply *r)
{
	for (size_t i = 0; i < s->c.nserve; i++) {
		struct sleep_port *p = &s->ports[i];
		ssize_t n = r->status == 404
				    ? 0
				    : sleep_addresses_read(p->pods, r->body,
							   p->name);

		p->npods = (size_t)MAX(n, (ssize_t)0);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

static void sleep_on_addresses(void *user, const struct sleep_reply *r,
			       const char *why)
{
	struct sleep *s = user;

	s->looked = clock_ns();
	if (!r || (r->status >= 300 && r->status != 404)) {
		sleep_fail(s, why);
	} else if (sleep_read_addresses(s, r) < 0) {
		sleep_fail(s, "the API server's Endpoints are none");
	} else {
		sleep_succeed(s);
		sleep_judge_addresses(s);
	}
	sleep_arm(s, SLEEP_POLL);
}

/* --- questions ------------------------------------------------------------ */

void sleep_ask_scale(struct sleep *s)
{
	sleep_api_ask(s->c.api, SLEEP_GET_SCALE, NULL, sleep_on_scale, s);
}

void sleep_ask_addresses(struct sleep *s)
{
	sleep_api_ask(s->c.api, SLEEP_GET_ADDRESSES, NULL, sleep_on_addresses,
		      s);
}

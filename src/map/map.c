/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl map: one page that shows the namespace and this machine's sessions as
 * they are. While nobody looks at it nobody is asked.
 *
 * The cluster is read by lists, in the background: when a watch says that
 * something has changed, and every MAP_LOOK besides, as a watch may be dead for
 * long before it is known. Shadows and sessions are asked in turn, each
 * question with an end of its own; one that is slow is asked less often. The
 * page is told once a second how old each part is.
 */
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "birdseye/ask.h"
#include "birdseye/collect.h"
#include "birdseye/look.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cluster/nscheck.h"
#include "cluster/objects.h"
#include "control/ask.h"
#include "control/follow.h"
#include "kube/rest.h"
#include "kube/watch.h"
#include "local/signals.h"
#include "map/board.h"
#include "map/callers.h"
#include "map/flags.h"
#include "map/opener.h"
#include "map/site.h"
#include "map/traffic.h"

#include <errno.h>
#include <string.h>

#define MAP_LOOK (5 * NS_SEC)	    /* lists, though nothing was heard of */
#define MAP_LOOK_BLIND (2 * NS_SEC) /* where no watch is allowed */
#define MAP_SLOW (8 * NS_SEC)	    /* lists may take so long, and pauses */
#define MAP_SETTLE (50 * NS_MS)	    /* changes come in groups */
#define MAP_BEAT NS_SEC
#define MAP_ROUND (NS_SEC / 2)	/* sessions */
#define MAP_ANSWER (6 * NS_SEC) /* the most that all questions take */
#define MAP_LATE (2 * NS_SEC)	/* a busy machine */
#define MAP_ASK NS_SEC		/* shadows */
#define MAP_PROOF_LEN 32
#define MAP_REFUSED (60 * NS_SEC) /* likewise, where the Role forbids it */

/** struct map_age - how a source of the page is */
struct map_age {
	int64_t good;	/* when it was read last; 0: never */
	char why[1024]; /* it could not be read since, or "" */
};

struct map {
	struct app *app;
	const struct options *o;
	struct kube_config *config;
	struct look look;
	struct board board;
	struct site *site;
	char proof[MAP_PROOF_LEN + 1]; /* in the page and in what it is told */

	struct kube_watch *watch[2]; /* Services, Pods */
	size_t watching;	     /* how many of them are alive */
	struct collect_op *op;	     /* lists that are under way */
	struct timer due;	     /* of the next */
	int64_t began, took;
	bool again; /* something has changed since it began */
	struct collection c;
	struct map_age cluster, sessions;
	struct kt_error failed; /* the first time */
	bool looked;		/* there has been an end, or a failure */

	json_t *answers;	     /* of the shadows */
	json_t *names;		     /* of callers: see callers.h */
	json_t *running;	     /* the sessions, as they were asked last */
	struct follow *follow;	     /* their events, while a page is there */
	struct traffic_log *traffic; /* likewise */
	int64_t ask_due;
	struct timer beat;
	bool poke; /* a page has come */
};

/* --- the cluster ---------------------------------------------------------- */

/* Servers and proxies write @why in any encoding, and it may be cut anywhere */
static void map_fail(struct map_age *a, const char *why)
{
	print_clean(a->why, sizeof(a->why), why, strlen(why));
}

static void map_publish(struct map *m)
{
	int64_t now = look_now(&m->look);
	json_t *view;

	if (!m->cluster.good)
		return;
	view = look_view(&m->look, &m->c, m->answers, now);
	if (!view)
		map_fail(&m->cluster, "what was read cannot be shown");
	if (board_set(&m->board, BOARD_BIRDSEYE, view) && m->site)
		site_wake(m->site);
}

/* Connectors are those whose shadow is in the namespace */
static void map_take(struct map *m, struct collection *c)
{
	const json_t *pod;
	size_t i;

	c->connect_pods = json_array();
	json_array_foreach (c->pods, i, pod)
		if (str_eq(object_label(pod, KT_LABEL_ROLE), KT_ROLE_CONNECT))
			json_array_append(c->connect_pods,
					  (json_t *)(uintptr_t)pod);
	c->connect_deployments = json_incref(c->deployments);
	collection_fini(&m->c);
	m->c = *c;
	*c = (struct collection){ 0 };
}

static void map_on_due(struct timer *t);

/* A long list is not asked for all the time, whatever happens */
static void map_schedule(struct map *m, int64_t delay)
{
	int64_t least = m->began + MIN(m->took * 4, MAP_SLOW) - clock_ns();

	loop_timer_start(m->app->loop, &m->due, MAX(delay, least), map_on_due);
}

static void map_on_collected(void *user, int rc, struct collection *c,
			     const struct kt_error *err)
{
	struct map *m = user;

	m->op = NULL;
	m->took = clock_ns() - m->began;
	if (rc == 0) {
		map_take(m, c);
		m->cluster = (struct map_age){ .good = clock_ns() };
		map_publish(m);
	} else {
		map_fail(&m->cluster, err->msg);
		if (!m->looked)
			m->failed = *err;
	}
	m->looked = true;
	map_schedule(m, m->again			      ? MAP_SETTLE
			: m->watching == ARRAY_SIZE(m->watch) ? MAP_LOOK
							      : MAP_LOOK_BLIND);
}

static bool map_is_watched(const struct map *m)
{
	return !m->site || site_pages(m->site) > 0;
}

static void map_on_due(struct timer *t)
{
	struct map *m = container_of(t, struct map, due);

	if (m->op || !map_is_watched(m))
		return;
	m->again = false;
	m->began = clock_ns();
	m->op = collect_start(m->look.kube, m->look.ns, map_on_collected, m);
}

static void map_changed(struct map *m)
{
	bool before = m->again;

	m->again = true;
	if (!m->op && !before)
		map_schedule(m, MAP_SETTLE);
}

static void map_on_event(void *user, enum kube_event type, json_t *object)
{
	struct map *m = user;

	if (type == KUBE_SYNCED)
		return;
	if (str_eq(json_str(object, "kind", NULL), "Pod"))
		(type == KUBE_DELETED ? callers_forget : callers_note)(m->names,
								       object);
	map_changed(m);
}

/* It goes without, and more often */
static void map_on_watch_failed(void *user, const struct kt_error *why)
{
	struct map *m = user;

	log_debug("map: %s", why->msg);
	m->watching--;
	map_changed(m);
}

static void map_watch(struct map *m)
{
	static const struct kube_watch_handler handler = {
		map_on_event,
		map_on_watch_failed,
	};
	static const char *const resources[] = { "services", "pods" };

	for (size_t i = 0; i < ARRAY_SIZE(m->watch); i++) {
		auto_free char *path =
			kube_path("v1", resources[i], m->look.ns, NULL, NULL);

		m->watch[i] =
			kube_watch_start(m->look.kube, path, NULL, &handler, m);
		m->watching++;
	}
}

/* --- the beat ------------------------------------------------------------- */

/* @limit: older than this it is not live */
static json_t *map_age_json(const struct map_age *a, int64_t limit)
{
	int64_t age = clock_ns() - a->good;

	return json_pack("{s:o,s:b,s:s?}", "age_ms",
			 a->good ? json_integer(age / NS_MS) : json_null(),
			 "live", a->good && !a->why[0] && age <= limit, "error",
			 a->why[0] ? a->why : NULL);
}

static int64_t map_second(void)
{
	return clock_ns() / NS_SEC;
}

static void map_say_traffic(struct map *m)
{
	board_set(&m->board, BOARD_TRAFFIC,
		  m->traffic ? traffic_json(m->traffic, m->names, map_second())
			     : json_null());
}

static void map_say_age(struct map *m)
{
	map_say_traffic(m);
	board_set(&m->board, BOARD_BEAT,
		  json_pack("{s:i,s:I,s:o,s:o}", "version", 1, "clock_ms",
			    (json_int_t)(clock_ns() / NS_MS), "cluster",
			    map_age_json(&m->cluster,
					 MAP_LOOK + MAP_SLOW + MAP_LATE),
			    "sessions",
			    map_age_json(&m->sessions, MAP_ANSWER + MAP_LATE)));
	site_wake(m->site);
}

static void map_on_beat(struct timer *t)
{
	struct map *m = container_of(t, struct map, beat);

	loop_timer_start(m->app->loop, t, MAP_BEAT, map_on_beat);
	if (map_is_watched(m))
		map_say_age(m);
}

/* --- traffic -------------------------------------------------------------- */

/* A session of another cluster may have a namespace of the same name */
static bool map_is_ours(const struct map *m, const char *id)
{
	const json_t *s;
	size_t i;

	json_array_foreach (m->running, i, s)
		if (str_eq(json_str(s, "id", NULL), id))
			return str_eq(json_str(s, "context", NULL),
				      m->config->context);
	return false;
}

static void map_on_traffic(void *user, json_t *event)
{
	struct map *m = user;

	if (map_is_ours(m, json_str(event, "session", NULL)))
		traffic_add(m->traffic, event, map_second());
}

static void map_on_untold(void *user, const char *id, const char *why)
{
	struct map *m = user;

	traffic_ended(m->traffic, id);
	if (why)
		log_debug("map: %s tells no events: %s", id, why);
}

/* Who is followed makes events, so only while somebody looks */
static void map_follow(struct map *m, bool on)
{
	const struct follow_config cfg = {
		.loop = m->app->loop,
		.home = m->app->home,
		.event = map_on_traffic,
		.ended = map_on_untold,
		.user = m,
	};

	if (on == (m->follow != NULL))
		return;
	follow_stop(m->follow);
	traffic_free(m->traffic);
	m->traffic = on ? traffic_new(map_second()) : NULL;
	m->follow = on ? follow_start(&cfg) : NULL;
}

/* Said before all else, as the page believes nothing before: once we have
 * ended, another program may listen at our port, and has the token as soon as a
 * page that was left open asks */
static void map_say_what(struct map *m)
{
	str_random(m->proof, MAP_PROOF_LEN);
	board_set(&m->board, BOARD_MAP,
		  json_pack("{s:i,s:s,s:s,s:s?,s:s,s:o}", "version", 1,
			    "program", KT_VERSION, "proof", m->proof, "context",
			    m->config->context, "namespace", m->look.ns,
			    "flags", flags_new(m->config)));
}

/* --- in turn -------------------------------------------------------------- */

static void map_ask_sessions(struct map *m)
{
	struct kt_error err = { 0 };
	json_t *sessions = NULL;
	int rc = ask_sessions(m->app->loop, m->app->home, &sessions, &err);

	if (rc == 0) {
		m->sessions.good = clock_ns();
		board_set(&m->board, BOARD_STATUS,
			  json_pack("{s:i,s:O}", "version", 1, "sessions",
				    sessions));
		site_wake(m->site);
	}
	json_decref(m->running);
	m->running = sessions;
}

static void map_ask_shadows(struct map *m)
{
	int64_t began = clock_ns();
	/* while they are asked a new list may come */
	struct collection c = {
		.pods = json_incref(m->c.pods),
		.connect_pods = json_incref(m->c.connect_pods),
	};
	bool refused = false;
	json_t *answers;

	m->look.until = began + ASK_NS;
	answers = look_ask(&m->look, &c, &refused);
	collection_fini(&c);
	json_decref(m->answers);
	m->answers = answers;
	m->ask_due =
		clock_ns() + (refused ? MAP_REFUSED
				      : MAX(MAP_ASK, 5 * (clock_ns() - began)));
	map_publish(m);
}

/* Who comes later must not see who was there when somebody looked last */
static void map_forget_answers(struct map *m)
{
	if (!m->answers)
		return;
	json_decref(m->answers);
	m->answers = NULL;
	map_publish(m);
}

static void map_on_page(void *user)
{
	struct map *m = user;

	m->poke = true;
	/* what is there may be old, and is said to be */
	map_say_age(m);
	m->again = false;
	map_changed(m);
}

/* Until a signal */
static void map_serve(struct map *m)
{
	struct loop *l = m->app->loop;

	while (!loop_interrupted(l)) {
		m->poke = false;
		map_follow(m, map_is_watched(m));
		if (!map_is_watched(m)) {
			map_forget_answers(m);
			if (loop_run_until(l, &m->poke, -1) < 0)
				break;
			continue;
		}
		map_ask_sessions(m);
		if (m->cluster.good && clock_ns() >= m->ask_due)
			map_ask_shadows(m);
		if (loop_run_until(l, &m->poke, MAP_ROUND) == -EINTR)
			break;
	}
}

/* --- the command ---------------------------------------------------------- */

static void map_tell(struct map *m)
{
	auto_free char *url = site_url(m->site);
	int rc = 0;

	print_line(stdout, "%s", url);
	fflush(stdout);
	if (!m->o->map.no_open)
		rc = opener_open(url);
	if (rc == -ENOTTY)
		progress_note(m->app->progress, "Open it in a browser");
	else if (rc < 0)
		progress_note(m->app->progress,
			      "Open it in a browser; none could be started: %s",
			      strerror(-rc));
	progress_note(m->app->progress,
		      "Whoever has this address can see the namespace's "
		      "Services and your sessions. Ctrl-C ends it");
}

static int map_open(struct map *m, struct kt_error *err)
{
	const struct global_options *g = &m->o->global;
	struct kube_config_source src = { .files = g->kubeconfig,
					  .context = g->context };
	int rc = kube_config_load(&m->config, &src, err);

	if (rc < 0)
		return rc;
	m->look = (struct look){
		.app = m->app,
		.global = g,
		.ns = g->namespace ? g->namespace : m->config->namespace_,
		.connectors = true,
		.by_name = true,
	};
	rc = kube_new(&m->look.kube, m->app->loop, m->config, err);
	return rc < 0 ? rc : nscheck(m->look.kube, m->look.ns, err);
}

/* What is wrong from the start is said at once */
static int map_first(struct map *m, struct kt_error *err)
{
	int rc;

	map_on_due(&m->due);
	rc = loop_run_until(m->app->loop, &m->looked, -1);
	if (rc < 0)
		return kt_fail(err, EINTR, "interrupted");
	if (m->failed.code) {
		*err = m->failed;
		return -err->code;
	}
	return site_new(&m->site, m->app->loop, &m->board, m->proof, err);
}

static void map_close(struct map *m)
{
	loop_timer_stop(&m->beat);
	loop_timer_stop(&m->due);
	map_follow(m, false);
	json_decref(m->running);
	site_free(m->site);
	for (size_t i = 0; i < ARRAY_SIZE(m->watch); i++)
		kube_watch_stop(m->watch[i]);
	collect_cancel(m->op);
	collection_fini(&m->c);
	json_decref(m->answers);
	json_decref(m->names);
	board_fini(&m->board);
	kube_free(m->look.kube);
	kube_config_free(m->config);
}

int command_map(struct app *app, const struct options *o)
{
	struct map m = { .app = app, .o = o, .names = json_object() };
	struct kt_error err = { 0 };
	int rc = map_open(&m, &err);

	if (rc == 0) {
		map_say_what(&m);
		rc = map_first(&m, &err);
	}
	if (rc == 0) {
		site_on_page(m.site, map_on_page, &m);
		map_watch(&m);
		map_on_beat(&m.beat);
		map_tell(&m);
		map_serve(&m);
	}
	map_close(&m);
	if (rc == 0)
		return EXIT_OK; /* Ctrl-C is how one leaves it */
	rc = app_fail(app, rc, &err);
	offer_role(&err, "map");
	return rc;
}

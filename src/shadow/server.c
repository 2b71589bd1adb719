/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/server.h"

#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "router/table.h"
#include "shadow/budget.h"
#include "shadow/dial.h"
#include "shadow/doh.h"
#include "shadow/ending.h"
#include "shadow/envs.h"
#include "shadow/events.h"
#include "shadow/health.h"
#include "shadow/info.h"
#include "shadow/laptop.h"
#include "shadow/nameserver.h"
#include "shadow/ping.h"
#include "shadow/reply.h"
#include "shadow/serve.h"
#include "shadow/udp.h"
#include "shadow/volumes.h"
#include "tunnel/acceptor.h"
#include "tunnel/link.h"
#include "tunnel/sockcarrier.h"
#include "tunnel/target.h"
#include "tunnel/tunnel_stream.h"
#include "wire/clientline.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER (3 * NS_SEC) /* after the last client */
#define READY_ANYWAY (10 * NS_SEC)
#define BULK_SESSIONS 16 /* more clients than that share less memory each */
#define PART_SESSIONS 40 /* more than that, and bulk of one client has one */
#define AWAY_ANYWAY (10 * NS_SEC) /* nobody waits at the end for who is */

struct server {
	struct shadow sh; /* what the services see */
	struct server_config cfg;
	struct session_config session;
	struct session_total bytes;
	struct budget budget;
	struct listener tunnel;
	struct serve *serve; /* NULL: no port is served */
	struct health *health;
	int64_t idle_since; /* 0: somebody is here */
	int64_t left;	    /* when the last one did; 0: nobody yet */
	int64_t started;
	bool ready; /* for callers; that is once and for all */
	bool ending;
};

struct client {
	struct list node;
	struct server *server;
	struct link *link;
	struct laptop *laptop; /* NULL: it opens the streams */
	bool bulk;	       /* the second session of one that is here */
	bool part;	       /* one of several such */
	int64_t lost;	       /* when its carrier was; 0: it is here */
	size_t bytes;	       /* of the budget */
	struct ending ending;
	char who[FRAME_WHO_MAX + 1]; /* as it says of itself, or "" */
};

/* --- services ------------------------------------------------------------- */

/* Bulk of a client moves to another session of the same one: whoever names a
 * session's id has it, as with resuming. */
static void continue_serve(struct server *sv, struct mux_stream *s,
			   const char *path)
{
	uint8_t id[FRAME_ID_LEN];
	struct tunnel_stream *tunnel_stream = NULL;
	struct list *n;
	uint32_t stream;

	if (target_continue_parse(path, id, &stream) < 0) {
		reply_refuse(s, EINVAL, "no such stream");
		return;
	}
	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (memcmp(session_id(link_session(c->link)), id,
			   FRAME_ID_LEN) == 0 &&
		    link_mux(c->link))
			tunnel_stream =
				tunnel_stream_find(link_mux(c->link), stream);
	}
	if (tunnel_stream)
		tunnel_stream_continue(tunnel_stream, s);
	else
		mux_stream_refuse(s, 404, ENOENT, "no such stream");
}

static void server_serve_ending(struct client *c, struct mux_stream *s)
{
	ending_serve(&c->ending, c->server->sh.loop, s);
	if (c->server->ending)
		(void)ending_tell(&c->ending);
}

static void server_request(void *user, struct mux_stream *s,
			   const struct mux_request *req)
{
	struct client *c = user;
	struct shadow *sh = &c->server->sh;
	bool connect = strcmp(req->method, "CONNECT") == 0;
	bool get = strcmp(req->method, "GET") == 0;
	bool post = strcmp(req->method, "POST") == 0;

	if (connect && strcmp(req->protocol, "kt-continue") == 0) {
		continue_serve(c->server, s, req->path); /* not to be logged */
		return;
	}
	if (connect && strcmp(req->protocol, "kt-files") == 0) {
		/* likewise */
		volumes_serve(sh, c->server->cfg.volumes, s, req->path);
		return;
	}
	log_trace("stream %u: %s %s %s%s", mux_stream_id(s), req->method,
		  req->protocol, req->authority, req->path);
	if (connect && !*req->protocol)
		dial_serve(sh, s, req->authority, req->env, req->env_header);
	else if (connect && strcmp(req->protocol, "connect-udp") == 0)
		udp_serve(sh, s, req->path);
	else if (connect && strcmp(req->protocol, "kt-echo") == 0)
		ping_serve(sh, s, req->path);
	else if (post && strcmp(req->path, "/dns-query") == 0)
		doh_serve(sh, s, false);
	else if (post && strcmp(req->path, "/dns-query?transport=tcp") == 0)
		doh_serve(sh, s, true);
	else if (get && strcmp(req->path, "/.well-known/ktctl/info") == 0)
		info_serve(sh, c->server->serve, s);
	else if (get && strcmp(req->path, "/.well-known/ktctl/ending") == 0)
		server_serve_ending(c, s);
	else
		mux_stream_refuse(s, 501, ENOTSUP,
				  "this shadow has no such service");
}

/* --- clients -------------------------------------------------------------- */

/* @since: when the last one was here */
static void note_idle(struct server *sv, int64_t since)
{
	if (list_empty(&sv->sh.clients))
		sv->idle_since = since;
}

/* Who is away for longer than its grace time is not waited for; nor is one away
 * that serves nothing, a look at the shadow or a laptop that has taken its
 * rules back: its goodbye was lost, as happens where a port-forward ends just
 * then. */
static bool client_is_here(const struct client *c)
{
	if (!c->lost)
		return !c->laptop || !laptop_is_suspended(c->laptop);
	if (!c->laptop) /* where all are such, its session waits for it */
		return !server_serves(c->server);
	return laptop_has_rules(c->laptop) && !laptop_is_suspended(c->laptop);
}

static bool nobody_is_here(const struct server *sv)
{
	struct list *n;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (client_is_here(c))
			return false;
	}
	return true;
}

static void client_free(struct client *c, const char *goodbye)
{
	struct server *sv = c->server;
	struct session *s = link_session(c->link);

	if (c->laptop || !server_serves(sv))
		sv->left = clock_ns();
	acceptor_remove(sv->sh.acceptor, s);
	laptop_free(c->laptop);
	if (goodbye)
		session_close(s, FRAME_CODE_BYE, goodbye);
	link_free(c->link);
	budget_give(&sv->budget, c->bytes);
	list_del(&c->node);
	loop_defer_free(sv->sh.loop, c);
	note_idle(sv, c->lost ? c->lost : clock_ns());
}

/* it is away for longer than the usual time */
static bool client_may_go(const struct client *c)
{
	return c->lost &&
	       c->lost <= clock_ns() - c->server->session.detached_ns;
}

/* What is kept for those who are away is not kept from those who come: who may
 * go makes room, who is away for longest first. */
static bool server_give_up_one(struct server *sv)
{
	struct client *oldest = NULL;
	struct list *n;

	list_for_each (n, &sv->sh.clients) {
		struct client *c = container_of(n, struct client, node);

		if (client_may_go(c) && (!oldest || c->lost < oldest->lost))
			oldest = c;
	}
	if (!oldest)
		return false;
	log_info("a client that is away for %lld s makes room",
		 (long long)((clock_ns() - oldest->lost) / NS_SEC));
	client_free(oldest, NULL);
	return true;
}

/* memory for one that comes; nobody goes where that would not be enough */
static void server_make_room(struct server *sv)
{
	size_t bytes = 0;
	struct list *n;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (client_may_go(c))
			bytes += c->bytes;
	}
	if (budget_is_short_without(&sv->budget, bytes))
		return;
	while (budget_is_short(&sv->budget) && server_give_up_one(sv))
		;
}

static void server_on_full(void *user)
{
	(void)server_give_up_one(user);
}

static void server_on_up(void *user, bool resumed)
{
	struct client *c = user;

	log_debug("client %s", resumed ? "is back" : "is here");
	c->lost = 0;
	if (c->laptop)
		laptop_up(c->laptop, resumed);
}

static void server_on_lost(void *user, const struct kt_error *why)
{
	struct client *c = user;
	/* a carrier that died of silence did so after some */
	int64_t silent =
		why->code == ETIMEDOUT ? c->server->session.dead_ns : 0;

	log_debug("client lost: %s", why->msg);
	c->lost = clock_ns() - silent;
	if (!c->laptop)
		return;
	laptop_lost(c->laptop, silent);
	c->server->left = clock_ns();
}

static void server_on_dead(void *user, const struct kt_error *why)
{
	log_debug("client gone: %s", why->msg);
	client_free(user, NULL);
}

static const struct link_ops link_ops = {
	.up = server_on_up,
	.lost = server_on_lost,
	.dead = server_on_dead,
};

/* --- ports ---------------------------------------------------------------- */

static bool on_has(void *user, uint16_t port, bool udp)
{
	const struct server *sv = user;

	return serve_has(sv->serve, port, udp);
}

static void on_changed(void *user)
{
	struct server *sv = user;

	serve_rules_changed(sv->serve);
}

static void server_on_sweep(void *user)
{
	struct server *sv = user;

	serve_sweep(sv->serve);
}

static const struct laptop_ops laptop_ops = {
	.has = on_has,
	.changed = on_changed,
	.sweep = server_on_sweep,
};

/* --- sessions ------------------------------------------------------------- */

/* whose carrier is there; @parts: of those that are several of one client */
static size_t server_clients_here(const struct server *sv, bool parts)
{
	struct list *n;
	size_t here = 0;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		here += !c->lost && c->part == parts;
	}
	return here;
}

/* A client that keeps more for replay than usual opens it for bulk streams. */
static bool wants_bulk(struct server *sv, const struct frame_hello *hello)
{
	return hello->window > sv->session.replay_max &&
	       server_clients_here(sv, false) < BULK_SESSIONS;
}

static bool server_takes_parts(const struct server *sv)
{
	return session_config_parts(&sv->session) > 0;
}

/* What a session that comes with @hello gets; false: nothing, it does without
 */
static bool server_configure(struct server *sv, const struct frame_hello *hello,
			     struct session_config *scfg,
			     struct mux_config *mcfg)
{
	bool server = hello->role != FRAME_ROLE_SERVER;
	bool lanes = hello->flags & FRAME_FLAG_LANES;
	bool bulk = wants_bulk(sv, hello);

	if (hello->flags & FRAME_FLAG_PART && lanes) {
		*scfg = session_config_wide(&sv->session);
		*mcfg = mux_config_wide(server);
		return server_takes_parts(sv) &&
		       server_clients_here(sv, true) < PART_SESSIONS;
	}
	if (hello->flags & FRAME_FLAG_PART) {
		*scfg = session_config_part(&sv->session);
		*mcfg = mux_config_part(server);
		return server_takes_parts(sv) &&
		       server_clients_here(sv, true) < PART_SESSIONS &&
		       budget_grants(&sv->budget, scfg, mcfg->share);
	}
	*scfg = bulk ? session_config_bulk(&sv->session) : sv->session;
	*mcfg = bulk ? mux_config_bulk(server) : mux_config_default(server);
	if (server_takes_parts(sv))
		scfg->flags |= FRAME_FLAG_PART;
	return true;
}

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	struct server *sv = user;
	bool inbound = hello->role == FRAME_ROLE_SERVER;
	struct session_config scfg;
	struct mux_config mcfg;
	struct client *c;

	server_make_room(sv);
	if (!server_configure(sv, hello, &scfg, &mcfg))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->server = sv;
	c->part = hello->flags & FRAME_FLAG_PART;
	c->bulk = c->part || hello->window > sv->session.replay_max;
	memcpy(c->who, hello->who, sizeof(c->who));
	c->bytes = budget_take(&sv->budget, &scfg, mcfg.share);
	c->link = link_new(sv->sh.loop, &scfg, &mcfg, hello->id,
			   inbound ? NULL : server_request, &link_ops, c);
	if (c->link && inbound)
		c->laptop = laptop_new(&sv->sh, c->link, &laptop_ops, sv);
	if (!c->link || (inbound && !c->laptop)) {
		link_free(c->link);
		budget_give(&sv->budget, c->bytes);
		free(c);
		return NULL;
	}
	list_add_tail(&sv->sh.clients, &c->node);
	sv->idle_since = 0;
	return link_session(c->link);
}

static const struct acceptor_ops acceptor_ops = {
	.session = on_session,
	.full = server_on_full,
};

static void on_carrier(void *user, int fd, const struct ipport *peer)
{
	struct server *sv = user;
	struct carrier *c = sockcarrier_new(sv->sh.loop, fd);

	(void)peer;
	if (c)
		acceptor_take(sv->sh.acceptor, c);
}

/* --- life ----------------------------------------------------------------- */

/* Before the laptops of its predecessor are here it would lead their callers
 * elsewhere, or nowhere */
static bool server_ready(void *user)
{
	struct server *sv = user;

	if (!sv->ready)
		sv->ready = laptop_serving(&sv->sh) >= sv->cfg.ready_clients ||
			    clock_ns() - sv->started >= READY_ANYWAY;
	return sv->ready;
}

/* Too many for one answer: those that fit are right */
static int server_put_clients(void *user, struct buf *out)
{
	const struct server *sv = user;
	int rc = clientline_put_shadow(out, KT_VERSION);
	struct list *n;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);
		long away = c->lost ? (long)((clock_ns() - c->lost) / NS_SEC)
				    : CLIENTLINE_HERE;

		if (c->bulk || rc < 0)
			continue;
		if (c->laptop) {
			rc = laptop_put(c->laptop, away, out);
			continue;
		}
		rc = clientline_put_client(out, away, NULL);
		/* what is no such line is not passed on */
		if (rc == 0 && c->who[0] &&
		    clientline_put_who(out, c->who) == -ENOBUFS)
			rc = -ENOBUFS;
	}
	return rc == -ENOBUFS ? 0 : rc;
}

static const struct health_ops health_ops = {
	.ready = server_ready,
	.clients = server_put_clients,
};

static void server_on_member(void *user)
{
	struct server *sv = user;

	serve_sweep(sv->serve);
}

static int server_start_envs(struct server *sv, struct kt_error *err)
{
	const struct envs_config cfg = { .file = sv->cfg.env_table,
					 .service = sv->cfg.env_service,
					 .sweep = server_on_member,
					 .user = sv };

	if (!cfg.file)
		return 0;
	sv->sh.envs = envs_new(&sv->sh, &cfg);
	return sv->sh.envs ? 0 : kt_fail(err, ENOMEM, "out of memory");
}

/* a missing file is an empty one */
static void read_resolvconf(struct resolvconf *rc, const char *path)
{
	auto_free char *text = file_read(path, RESOLVCONF_MAX, NULL);

	resolvconf_parse(rc, text ? text : "", NULL);
}

static int server_start(struct server *sv, struct kt_error *err)
{
	struct shadow *sh = &sv->sh;
	int rc;

	sh->acceptor = acceptor_new(sh->loop, &sv->session, &acceptor_ops, sv);
	sh->names = nameserver_new(sh->loop, sh->resolv.servers,
				   sh->resolv.nservers);
	sh->table = table_new();
	sh->events = events_new();
	if (!sh->acceptor || !sh->names || !sh->table || !sh->events)
		return kt_fail(err, ENOMEM, "out of memory");
	sh->share = sv->cfg.share;
	rc = server_start_envs(sv, err);
	if (rc == 0)
		rc = listener_open(&sv->tunnel, sh->loop, &sv->cfg.listen,
				   on_carrier, sv, err);
	if (rc == 0 && sv->cfg.serve.n) {
		sv->serve = serve_new(sh, &sv->cfg.serve, &sv->cfg.exempt, err);
		rc = sv->serve ? 0 : -err->code;
	}
	if (rc < 0 || !sv->cfg.health.port)
		return rc; /* health last: it says that all ports listen */
	sv->health =
		health_new(sh->loop, &sv->cfg.health, &health_ops, sv, err);
	return sv->health ? 0 : -err->code;
}

struct server *server_new(struct loop *loop, const struct server_config *cfg,
			  struct kt_error *err)
{
	struct server *sv = xcalloc(1, sizeof(*sv));

	sv->cfg = *cfg;
	sv->session = session_config_default();
	session_config_limit(&sv->session, 0);
	budget_init(&sv->budget, cfg->buffers);
	sv->session.keep_ns = cfg->keep_ns;
	sv->session.total = &sv->bytes;
	sv->session.detached_ns = MIN(sv->session.detached_ns, cfg->keep_ns);
	sv->sh.loop = loop;
	sv->started = clock_ns();
	fdlimit_raise();
	sv->sh.fd_limit = fdlimit_usable();
	sv->sh.scratch = xmalloc(SHADOW_SCRATCH);
	list_init(&sv->sh.clients);
	list_init(&sv->sh.laptops);
	if (servespec_has_origin(&cfg->serve))
		sv->cfg.idle_ns = 0; /* nobody else passes its traffic on */
	read_resolvconf(&sv->sh.resolv, cfg->resolv_conf);
	if (cfg->nameserver.port) {
		sv->sh.resolv.servers[0] = cfg->nameserver;
		sv->sh.resolv.nservers = 1;
	}
	note_idle(sv, clock_ns());
	if (server_start(sv, err) < 0) {
		server_free(sv);
		return NULL;
	}
	return sv;
}

size_t server_streams(const struct server *sv)
{
	struct list *n;
	size_t all = 0;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (link_mux(c->link))
			all += mux_streams(link_mux(c->link)) -
			       laptop_controls(c->laptop) -
			       (c->ending.stream ? 1 : 0);
	}
	return all;
}

uint64_t server_bytes(const struct server *sv)
{
	return sv->bytes.sent + sv->bytes.received;
}

bool server_serves(const struct server *sv)
{
	return sv->serve;
}

uint64_t server_accepted(const struct server *sv)
{
	return serve_accepted(sv->serve);
}

size_t server_callers(const struct server *sv)
{
	struct list *n;
	size_t all = serve_callers(sv->serve);

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (c->laptop && link_mux(c->link))
			all += mux_streams(link_mux(c->link)) -
			       laptop_controls(c->laptop);
	}
	return all;
}

size_t server_end(struct server *sv)
{
	struct list *n;
	size_t told = 0;

	sv->ending = true;
	serve_end(sv->serve);
	list_for_each (n, &sv->sh.clients)
		told += ending_tell(
			&container_of(n, struct client, node)->ending);
	return told + laptop_tell_ending(&sv->sh);
}

/* Who was told leaves when nothing of its is open here any more */
bool server_waits(const struct server *sv)
{
	int64_t away = clock_ns() - AWAY_ANYWAY;
	struct list *n;

	list_for_each (n, &sv->sh.clients) {
		const struct client *c = container_of(n, struct client, node);

		if (c->ending.told && (!c->lost || c->lost > away))
			return true;
	}
	return laptop_waits(&sv->sh);
}

bool server_idle(const struct server *sv)
{
	/* what ends meanwhile is led still */
	if (sv->cfg.once && sv->left && clock_ns() - sv->left >= LINGER &&
	    nobody_is_here(sv) && !serve_callers(sv->serve))
		return true;
	return sv->cfg.idle_ns && sv->idle_since &&
	       clock_ns() - sv->idle_since >= sv->cfg.idle_ns;
}

void server_free(struct server *sv)
{
	struct list *n, *tmp;

	listener_stop(&sv->tunnel);
	health_free(sv->health);
	list_for_each_safe (n, tmp, &sv->sh.clients) {
		client_free(container_of(n, struct client, node),
			    "the shadow ends");
	}
	serve_free(sv->serve);
	envs_free(sv->sh.envs);
	events_free(sv->sh.events);
	table_free(sv->sh.table);
	acceptor_free(sv->sh.acceptor);
	nameserver_free(sv->sh.names);
	resolvconf_fini(&sv->sh.resolv);
	free(sv->sh.scratch);
	loop_defer_free(sv->sh.loop, sv);
}

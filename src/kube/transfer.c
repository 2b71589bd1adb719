/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/transfer.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/internal.h"

#include <errno.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L
#define NAME_LIFE_S 3L

/* --- curl on the loop ----------------------------------------------------- */

/* One descriptor that curl waits for. */
struct curl_sock {
	struct watch watch;
	struct curl_loop *cl;
};

static void tell_done(struct curl_loop *cl)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(cl->multi, &left))) {
		struct transfer *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		if (t && t->done)
			t->done(t, msg->data.result);
	}
}

static void turn(struct curl_loop *cl, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(cl->multi, fd, what, &running);
	cl->ran(cl->user);
	tell_done(cl);
}

static void transfer_on_timer(struct timer *t)
{
	turn(container_of(t, struct curl_loop, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(struct watch *w, uint32_t events)
{
	struct curl_sock *s = container_of(w, struct curl_sock, watch);
	int what = 0;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	turn(s->cl, w->fd, what);
}

static uint32_t events_of(int what)
{
	return (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
	       (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
}

static void sock_drop(struct curl_loop *cl, curl_socket_t fd,
		      struct curl_sock *s)
{
	if (!s)
		return;
	curl_multi_assign(cl->multi, fd, NULL);
	loop_watch_stop(&s->watch);
	loop_defer_free(cl->loop, s);
}

/* curl: wait for @what on @fd; CURL_POLL_REMOVE: no more */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *user,
		       void *sock)
{
	struct curl_loop *cl = user;
	struct curl_sock *s = sock;
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	/* of two that it tries at the same time the other one goes on */
	if (t && what != CURL_POLL_REMOVE)
		t->sock = fd;
	else if (t && t->sock == fd)
		t->sock = 0;
	if (what == CURL_POLL_REMOVE) {
		sock_drop(cl, fd, s);
		return 0;
	}
	if (s) {
		loop_watch_mod(&s->watch, events_of(what));
		return 0;
	}
	s = xcalloc(1, sizeof(*s));
	s->cl = cl;
	if (loop_watch_start(cl->loop, &s->watch, fd, events_of(what),
			     on_socket) < 0) {
		free(s);
		return -1;
	}
	curl_multi_assign(cl->multi, fd, s);
	return 0;
}

static int want_timer(CURLM *multi, long ms, void *user)
{
	struct curl_loop *cl = user;

	(void)multi;
	if (ms < 0)
		loop_timer_stop(&cl->timer);
	else
		loop_timer_start(cl->loop, &cl->timer, ms * NS_MS,
				 transfer_on_timer);
	return 0;
}

int curl_loop_init(struct curl_loop *cl, struct loop *loop,
		   void (*ran)(void *user), void *user)
{
	*cl = (struct curl_loop){ .loop = loop, .ran = ran, .user = user };
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	cl->multi = curl_multi_init();
	if (!cl->multi)
		return -ENOMEM;
	curl_multi_setopt(cl->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(cl->multi, CURLMOPT_SOCKETDATA, cl);
	curl_multi_setopt(cl->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(cl->multi, CURLMOPT_TIMERDATA, cl);
	return 0;
}

void curl_loop_fini(struct curl_loop *cl)
{
	if (cl->multi)
		curl_multi_cleanup(cl->multi);
	cl->multi = NULL;
	loop_timer_stop(&cl->timer);
	curl_global_cleanup();
}

/* --- one transfer --------------------------------------------------------- */

static curl_socket_t on_open_socket(void *user, curlsocktype purpose,
				    struct curl_sockaddr *to)
{
	const struct kube *k = user;
	auto_close int fd =
		socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	struct ipport at;
	int rc = 0;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (purpose == CURLSOCKTYPE_IPCXN && k->sock_opt &&
	    ipport_from_sockaddr(&at, &to->addr) == 0)
		rc = k->sock_opt(k->sock_user, fd, &at);
	if (rc < 0) {
		log_debug("socket to the API server: %s", strerror(-rc));
		return CURL_SOCKET_BAD;
	}
	return steal_fd(&fd);
}

static void set_blob(CURL *easy, CURLoption opt, const char *pem)
{
	struct curl_blob blob = { .data = (void *)(uintptr_t)pem,
				  .len = strlen(pem),
				  .flags = CURL_BLOB_COPY };

	curl_easy_setopt(easy, opt, &blob);
}

static void set_tls(struct transfer *t, struct kube *k)
{
	const struct kube_config *c = k->cfg;
	const char *authority = kube_auth_authority(k->auth);
	const char *cert, *key;

	if (authority || c->roots_pem)
		set_blob(t->easy, CURLOPT_CAINFO_BLOB,
			 authority ? authority : c->roots_pem);
	/* these authorities alone, not the system's as well */
	if (authority || c->roots_alone)
		curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
	if (c->insecure) {
		curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	kube_auth_cert(k->auth, &cert, &key);
	if (!cert)
		return;
	curl_easy_setopt(t->easy, CURLOPT_SSLCERTTYPE, "PEM");
	curl_easy_setopt(t->easy, CURLOPT_SSLKEYTYPE, "PEM");
	set_blob(t->easy, CURLOPT_SSLCERT_BLOB, cert);
	set_blob(t->easy, CURLOPT_SSLKEY_BLOB, key);
	/* without one libcurl reads a pass phrase from a null pointer */
	curl_easy_setopt(t->easy, CURLOPT_KEYPASSWD, "");
}

static char *host_port(const struct url_host *h, const char *name)
{
	bool v6 = strchr(name, ':');

	return xasprintf("%s%s%s:%u", v6 ? "[" : "", name, v6 ? "]" : "",
			 h->port);
}

/* The path of the server's URL ("/k8s/clusters/x"), or "" */
static const char *server_path(const char *server)
{
	const char *p = strstr(server, "://");

	p = p ? strchr(p + 3, '/') : NULL;
	return p ? p : "";
}

/*
 * tls-server-name: the URL gets that name, so that SNI and verification use
 * it, and curl is told to connect to the real host; the Host header keeps the
 * real one.
 */
static void set_url(struct transfer *t, struct kube *k, const char *path)
{
	const struct kube_config *c = k->cfg;
	auto_free char *url = NULL, *real = NULL, *to = NULL, *host = NULL;
	auto_free char *fake = NULL;
	struct curl_slist *list;

	if (!c->tls_server_name || !k->host.tls) {
		url = xasprintf("%s%s", c->server, path);
		curl_easy_setopt(t->easy, CURLOPT_URL, url);
		return;
	}
	real = host_port(&k->host, k->host.host);
	fake = host_port(&k->host, c->tls_server_name);
	url = xasprintf("https://%s%s%s", fake, server_path(c->server), path);
	to = xasprintf("%s:%s", fake, real);
	host = xasprintf("Host: %s", real);
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	list = curl_slist_append(NULL, to);
	curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, list);
	t->connect_to = list;
	transfer_header(t, host);
}

int transfer_init(struct transfer *t, struct kube *k, const char *path)
{
	*t = (struct transfer){ .cl = &k->curl, .easy = curl_easy_init() };
	if (!t->easy)
		return -ENOMEM;
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->problem);
	curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 CONNECT_TIMEOUT_MS);
	/* curl's own minute would be a minute without a cluster when the name
	 * has got another address */
	curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, NAME_LIFE_S);
	curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPINTVL, 10L);
	curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "ktctl/" KT_VERSION);
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, k);
	/* the environment was read by proxy_for(): curl shall not do it again
	 */
	curl_easy_setopt(t->easy, CURLOPT_PROXY, k->proxy ? k->proxy : "");
	curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
	set_url(t, k, path);
	set_tls(t, k);
	return 0;
}

void transfer_header(struct transfer *t, const char *line)
{
	t->headers = curl_slist_append(t->headers, line);
}

int transfer_start(struct transfer *t,
		   void (*done)(struct transfer *t, CURLcode rc))
{
	t->done = done;
	if (t->headers)
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	if (curl_multi_add_handle(t->cl->multi, t->easy) != CURLM_OK)
		return -ENOMEM;
	t->added = true;
	return 0;
}

void transfer_stop(struct transfer *t)
{
	if (!t->easy)
		return;
	if (t->added)
		curl_multi_remove_handle(t->cl->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	*t = (struct transfer){ .cl = t->cl };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/secret.h"

#include "base/log.h"
#include "base/mem.h"
#include "gate/tls.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret_keys {
	struct tls_config *server[SECRET_SPEAKS], *client[SECRET_SPEAKS];
};

struct secret {
	struct loop *loop;
	char *dir, *cert, *key, *ca;
	struct secret_keys keys;
	struct timer look;
	int64_t look_ns;
	struct timespec changed; /* of the files that were read */
	ino_t inode;
};

static void secret_keys_fini(struct secret_keys *k)
{
	for (int i = 0; i < SECRET_SPEAKS; i++) {
		tls_config_put(k->server[i]);
		tls_config_put(k->client[i]);
	}
	*k = (struct secret_keys){ 0 };
}

static int secret_read(const struct secret *s, struct secret_keys *k,
		       struct kt_error *err)
{
	static const char *alpn[SECRET_SPEAKS][3] = { { "http/1.1" },
						      { "h2" },
						      { "h2", "http/1.1" } };
	struct tls_rules server = { .cert_file = s->cert, .key_file = s->key };
	struct tls_rules client = {
		.ca_file = access(s->ca, R_OK) == 0 ? s->ca : NULL,
		.pin_file = s->cert,
	};

	for (int i = 0; i < SECRET_SPEAKS; i++) {
		server.alpn = client.alpn = alpn[i];
		k->server[i] = tls_config_new(TLS_SERVER, &server, err);
		k->client[i] =
			k->server[i] ? tls_config_new(TLS_CLIENT, &client, err)
				     : NULL;
		if (!k->client[i]) {
			secret_keys_fini(k);
			return -err->code;
		}
	}
	return 0;
}

/* Kubernetes leads the names to new files. true: they are others than those
 * that were read */
static bool secret_is_other(struct secret *s)
{
	struct stat st;

	if (stat(s->cert, &st) < 0 ||
	    (st.st_ino == s->inode && st.st_mtim.tv_sec == s->changed.tv_sec &&
	     st.st_mtim.tv_nsec == s->changed.tv_nsec))
		return false;
	s->inode = st.st_ino;
	s->changed = st.st_mtim;
	return true;
}

static void secret_on_look(struct timer *t)
{
	struct secret *s = container_of(t, struct secret, look);
	struct secret_keys keys = { 0 };
	struct kt_error err = { 0 };

	loop_timer_start(s->loop, t, s->look_ns, secret_on_look);
	if (!secret_is_other(s))
		return;
	if (secret_read(s, &keys, &err) < 0) {
		log_warn("the Secret has changed, and its former content goes "
			 "on: %s",
			 err.msg);
		return;
	}
	for (int i = 0; i < SECRET_SPEAKS; i++)
		tls_config_pin_too(keys.client[i], s->keys.client[i]);
	secret_keys_fini(&s->keys);
	s->keys = keys;
	log_info("the Secret has changed: its new certificate is in use");
}

/* The volume is there without the Secret, too: then this says it, not only an
 * event of the Pod's */
static int secret_check(const struct secret *s, struct kt_error *err)
{
	if (access(s->cert, R_OK) == 0 && access(s->key, R_OK) == 0)
		return 0;
	return kt_fail(err, ENOENT,
		       "the Secret is not there, or has no tls.crt and tls.key "
		       "(type kubernetes.io/tls): %s has none",
		       s->dir);
}

struct secret *secret_new(struct loop *l, const char *dir, int64_t look_ns,
			  struct kt_error *err)
{
	struct secret *s = xcalloc(1, sizeof(*s));
	int rc;

	s->loop = l;
	s->look_ns = look_ns;
	s->dir = xstrdup(dir);
	s->cert = xasprintf("%s/tls.crt", dir);
	s->key = xasprintf("%s/tls.key", dir);
	s->ca = xasprintf("%s/ca.crt", dir);
	rc = secret_check(s, err);
	(void)!secret_is_other(s);
	if (rc == 0)
		rc = secret_read(s, &s->keys, err);
	if (rc == 0) {
		loop_timer_start(l, &s->look, look_ns, secret_on_look);
		return s;
	}
	secret_free(s);
	return NULL;
}

void secret_free(struct secret *s)
{
	if (!s)
		return;
	loop_timer_stop(&s->look);
	secret_keys_fini(&s->keys);
	free(s->dir);
	free(s->cert);
	free(s->key);
	free(s->ca);
	loop_defer_free(s->loop, s);
}

struct tls_config *secret_server(const struct secret *s, enum secret_speak k)
{
	return s->keys.server[k];
}

struct tls_config *secret_client(const struct secret *s, enum secret_speak k)
{
	return s->keys.client[k];
}

const char *secret_name(const struct secret *s)
{
	return tls_config_name(s->keys.server[SECRET_BOTH]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/carriers.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/proxy.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

#define DIR_NAME "carrier"
#define REMEMBERED_S (24 * 3600)
#define MAX_FILE 1024
#define PATIENCE 3 /* failures of a form that was up before */
#define FIRST_NS (3 * NS_SEC)

/* By measurement: docs/design.md, 2.1 */
static const enum pf_form best_first[] = { PF_SPDY, PF_SPDY_WEBSOCKET,
					   PF_WEBSOCKET };

_Static_assert((int)CARRIER_SPDY == (int)PF_SPDY + 1 &&
		       (int)CARRIER_SPDY_WEBSOCKET ==
			       (int)PF_SPDY_WEBSOCKET + 1 &&
		       (int)CARRIER_WEBSOCKET == (int)PF_WEBSOCKET + 1,
	       "--carrier and the forms");
_Static_assert(ARRAY_SIZE(best_first) == PF_NFORMS_, "a form is missing");

/* --- what worked before --------------------------------------------------- */

/* The proxy, which may hold a password, only as a part of the name */
static char *file_name(const struct kube_config *cfg)
{
	auto_free char *proxy = proxy_for(cfg->server, cfg->proxy_url);
	auto_free char *key =
		xasprintf("%s\n%s", cfg->server, proxy ? proxy : "");
	uint8_t d[SHA256_DIGEST_LENGTH];

	SHA256((uint8_t *)key, strlen(key), d);
	return xasprintf("%02x%02x%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2],
			 d[3], d[4], d[5], d[6], d[7]);
}

enum pf_form carriers_parse(const char *text, const char *server, long now)
{
	char form[32], at[32];
	enum pf_form f = 0;
	int end = 0;
	long since;

	if (sscanf(text, "%31s %31s %n", form, at, &end) != 2 || !end ||
	    strncmp(text + end, server, strlen(server)) != 0 ||
	    str_to_long(at, &since) < 0)
		return PF_NFORMS_;
	if (since > now || since < now - REMEMBERED_S)
		return PF_NFORMS_;
	while (f < PF_NFORMS_ && strcmp(form, pf_form_name(f)) != 0)
		f++;
	return f;
}

static enum pf_form recall(const struct carriers *c)
{
	struct kt_error err = { 0 };
	size_t len;
	auto_free char *text =
		home_read(c->home, DIR_NAME, c->file, MAX_FILE, &len, &err);

	return text ? carriers_parse(text, c->server, (long)time(NULL))
		    : PF_NFORMS_;
}

enum pf_form carriers_recall(const struct home *home,
			     const struct kube_config *cfg)
{
	auto_free char *file = file_name(cfg);
	struct carriers c = { .home = home,
			      .server = cfg->server,
			      .file = file };

	return recall(&c);
}

static void remember(const struct carriers *c)
{
	enum pf_form form = carriers_form(c);
	auto_free char *text = NULL;
	struct kt_error err = { 0 };

	if (recall(c) == form)
		return;
	text = xasprintf("%s %lld %s\n", pf_form_name(form),
			 (long long)time(NULL), c->server);
	if (home_write(c->home, DIR_NAME, c->file, text, strlen(text), 0644,
		       &err) < 0)
		log_debug("%s", err.msg);
}

/* --- the choice ----------------------------------------------------------- */

void carriers_init(struct carriers *c, const struct home *home,
		   const struct kube_config *cfg, int option)
{
	enum pf_form known;

	*c = (struct carriers){
		.home = home,
		.server = xstrdup(cfg->server),
		.file = file_name(cfg),
	};
	if (option != CARRIER_AUTO) {
		c->order[c->n++] = (enum pf_form)(option - 1);
		return;
	}
	known = recall(c);
	if (known != PF_NFORMS_) {
		c->order[c->n++] = known;
		log_debug("carrier: %s worked with this cluster before",
			  pf_form_name(known));
	}
	for (size_t i = 0; i < ARRAY_SIZE(best_first); i++)
		if (best_first[i] != known)
			c->order[c->n++] = best_first[i];
}

void carriers_fini(struct carriers *c)
{
	free(c->server);
	free(c->file);
	*c = (struct carriers){ 0 };
}

enum pf_form carriers_form(const struct carriers *c)
{
	return c->order[c->at];
}

int64_t carriers_patience(const struct carriers *c, int64_t whole_ns)
{
	bool first = !c->worked && !c->again && c->at + 1 < c->n;

	/* one that is swallowed leaves the others their time */
	return first ? MIN(whole_ns / (int64_t)c->n, FIRST_NS) : whole_ns;
}

bool carriers_forced(const struct carriers *c)
{
	return c->n == 1;
}

/* No other form would do better. */
static bool says_nothing_of_form(const struct kt_error *why)
{
	switch (why->http_status) {
	case 401:
	case 404:
	case 429:
		return true;
	default:
		break;
	}
	switch (why->code) {
	case ECONNREFUSED: /* the API server; or the Pod's port, in its text */
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EINTR:
	case EPROTONOSUPPORT: /* the shadow's version */
		return true;
	default:
		return false;
	}
}

/* A connection that breaks, a server that is busy: perhaps not tomorrow. */
static bool may_pass(const struct kt_error *why)
{
	return why->http_status ? why->http_status >= 500
				: why->code == ECONNRESET;
}

/* The answer to the upgrade is no, and no pause would change that. 404, 500
 * and most 400 are about the Pod, 429 about the moment. */
static bool is_no(const struct kt_error *why)
{
	switch (why->http_status) {
	case 0:
	case 404:
	case 429:
	case 500:
		return false;
	case 400:
		return strcasestr(why->msg, "upgrade");
	default:
		return true;
	}
}

bool carriers_failed(struct carriers *c, const struct kt_error *why)
{
	enum pf_form was = carriers_form(c);

	c->failures++;
	c->refusals = is_no(why) ? c->refusals + 1 : 0;
	if (carriers_forced(c) || says_nothing_of_form(why) ||
	    (c->worked && c->failures < PATIENCE))
		return false;
	c->doubt = c->doubt || may_pass(why);
	c->worked = false;
	c->failures = 0;
	c->at = (c->at + 1) % c->n;
	log_debug("carrier %s: %s; the next one is %s", pf_form_name(was),
		  why->msg, pf_form_name(carriers_form(c)));
	if (c->at)
		return true;
	c->doubt = false;
	c->again = true;
	return false;
}

bool carriers_refused(const struct carriers *c)
{
	return c->refusals >= c->n;
}

void carriers_worked(struct carriers *c)
{
	c->failures = 0;
	c->refusals = 0;
	if (c->worked)
		return;
	c->worked = true;
	log_debug("carrier: %s", pf_form_name(carriers_form(c)));
	if (!carriers_forced(c) && !c->doubt)
		remember(c);
}

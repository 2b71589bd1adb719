/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/forms.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

#define FORMS_WAY                                                              \
	"a proxy or load balancer before the API server has to pass HTTP "     \
	"Upgrade (SPDY or WebSocket); NO_PROXY=HOST leaves a proxy out"

/** struct forms_told - the forms by what became of them, for the text */
struct forms_told {
	char *good; /* "spdy, websocket" */
	char *bad;  /* "; websocket does not: REASON" */
	size_t ngood, ndenied;
};

static void forms_append(char **text, const char *more, const char *name,
			 const char *end)
{
	char *all = xasprintf("%s%s%s%s", *text, more, name, end);

	free(*text);
	*text = all;
}

static void forms_sort(struct forms_told *t, const struct forms *tried)
{
	t->good = xstrdup("");
	t->bad = xstrdup("");
	for (enum pf_form i = 0; i < PF_NFORMS_; i++) {
		const struct form_try *one = &tried->form[i];
		int status = one->why.http_status;

		if (one->opened || forms_not_found(one)) {
			forms_append(&t->good, t->ngood++ ? ", " : "",
				     pf_form_name(i), "");
			continue;
		}
		t->ndenied += status == 403 || status == 401;
		forms_append(&t->bad, "; not ", pf_form_name(i), ": ");
		forms_append(&t->bad, one->why.msg, "", "");
	}
}

static void forms_told_fini(struct forms_told *t)
{
	free(t->good);
	free(t->bad);
}

/* Through to the Pod: nothing is left to be guessed */
static void forms_check_pod(struct findings *f, const struct forms *tried,
			    const struct forms_told *t)
{
	if (t->ngood)
		finding_add(f, "carrier", FINDING_OK, NULL,
			    "a port-forward to Pod %s passes as %s%s",
			    tried->pod, t->good, t->bad);
	else
		finding_add(f, "carrier", FINDING_FAIL, FORMS_WAY,
			    "no port-forward to Pod %s passes%s", tried->pod,
			    t->bad);
}

static void forms_check_requests(struct findings *f, const struct forms *tried,
				 const struct forms_told *t)
{
	bool watched = tried->watch.opened;
	auto_free char *known =
		tried->known == PF_NFORMS_
			? xstrdup("")
			: xasprintf("; %s worked within the last day",
				    pf_form_name(tried->known));

	if (!watched && tried->watch.why.http_status == 200)
		finding_add(f, "carrier", FINDING_FAIL, FORMS_WAY,
			    "something before the API server drops the header "
			    "Upgrade: no port-forward can pass");
	else if (!t->ngood)
		finding_add(f, "carrier", FINDING_FAIL, FORMS_WAY,
			    "no request for a port-forward reaches the API "
			    "server%s%s",
			    t->bad, known);
	else if (!watched && tried->watch.why.http_status != 403)
		finding_add(f, "carrier", FINDING_WARN, FORMS_WAY,
			    "the API server is asked for a port-forward as %s, "
			    "but WebSocket does not pass: %s%s%s",
			    t->good, tried->watch.why.msg, t->bad, known);
	else
		finding_add(f, "carrier", FINDING_OK,
			    "the whole way can be tried while a Pod of ktctl "
			    "runs in the namespace: run doctor again beside "
			    "connect",
			    "requests for a port-forward reach the API server "
			    "as %s%s%s%s",
			    t->good,
			    watched ? ", and WebSocket is upgraded" : "",
			    t->bad, known);
}

void forms_check(struct findings *f, const struct forms *tried)
{
	struct forms_told t = { 0 };

	forms_sort(&t, tried);
	if (t.ndenied == PF_NFORMS_)
		finding_add(f, "carrier", FINDING_SKIP,
			    "with the permissions of the command it can be",
			    "a port-forward cannot be tried: %s",
			    tried->form[PF_SPDY].why.msg);
	else if (*tried->pod)
		forms_check_pod(f, tried, &t);
	else
		forms_check_requests(f, tried, &t);
	forms_told_fini(&t);
}

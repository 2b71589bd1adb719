/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_CARRIERS_H
#define KT_CARRIER_CARRIERS_H

#include "carrier/portforward.h"
#include "kube/kubeconfig.h"
#include "local/home.h"

/**
 * DOC: Which form of port-forward
 *
 * The forms are tried in the order of docs/design.md 2.1, the next one as soon
 * as one does not come up: the server does not know it, a proxy lets it not
 * pass, the Role does not allow it. What came up is kept for this process, and
 * for a day in ~/.kt/carrier, one file per API server and proxy. A form that
 * was up is given up only after several failures in a row: then the trouble is
 * rarely the form. A proxy may swallow what it does not know: so as long as
 * others were not tried, one that says nothing is waited for a short time only.
 */

/** enum carrier_option - what the user may ask for (--carrier): PF_* of
 *  portforward.h come in this order behind AUTO */
enum carrier_option {
	CARRIER_AUTO,
	CARRIER_SPDY,
	CARRIER_SPDY_WEBSOCKET,
	CARRIER_WEBSOCKET,
};

/** struct carriers - the choice; carriers_init() and carriers_fini() */
struct carriers {
	const struct home *home;
	char *server, *file;
	enum pf_form order[PF_NFORMS_];
	size_t n, at; /* n is 1 when the user forced it */
	bool worked;  /* order[at] was up */
	bool doubt;   /* a form was left for a reason that may pass */
	bool again;   /* all were tried */
	unsigned int failures;
	size_t refusals; /* forms in a row that were answered with a no */
};

/** carriers_init() - @home is borrowed */
void carriers_init(struct carriers *c, const struct home *home,
		   const struct kube_config *cfg, int option);
void carriers_fini(struct carriers *c);

/** carriers_recall() - what worked within the last day with this API server and
 *  proxy; PF_NFORMS_: nothing is known */
enum pf_form carriers_recall(const struct home *home,
			     const struct kube_config *cfg);

/** carriers_form() - the one to open now */
enum pf_form carriers_form(const struct carriers *c);
/** carriers_patience() - how long to wait for carriers_form(), of @whole_ns */
int64_t carriers_patience(const struct carriers *c, int64_t whole_ns);
/** carriers_failed() - it did not come up, because of @why; true: there is
 *  another one, try it at once; false: all were tried, or @why has nothing to
 *  do with the form: wait, then open carriers_form() */
bool carriers_failed(struct carriers *c, const struct kt_error *why);
/** carriers_refused() - every form got an answer that is a plain no: the API
 *  server, or a proxy before it, does not let a port-forward through */
bool carriers_refused(const struct carriers *c);
/** carriers_forced() - the user chose: there is no other */
bool carriers_forced(const struct carriers *c);
/** carriers_worked() - it came up */
void carriers_worked(struct carriers *c);

/** carriers_parse() - what is remembered, "FORM SECONDS SERVER"
 *  @now: seconds since 1970. Return: the form; PF_NFORMS_ when it is for
 * another server, old, or none. */
enum pf_form carriers_parse(const char *text, const char *server, long now);

#endif

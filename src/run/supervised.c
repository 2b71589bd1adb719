/* SPDX-License-Identifier: Apache-2.0 */
#include "run/supervised.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "connect/connect.h"
#include "run/supervisor.h"
#include "run/ways.h"

#include <errno.h>

#define DNS_PORT 53

struct supervised_run {
	struct app *app;
	bool forbidden; /* what is not the cluster's */
	const struct connect_pod *pod;
	struct supervisor *supervisor;
};

static bool supervised_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	const struct ipaddr six = ipaddr_v6(one);

	return a->family == AF_INET ? a->b[0] == 127 : ipaddr_eq(a, &six);
}

static bool supervised_wants(void *user, const struct ipport *dst)
{
	const struct supervised_run *r = user;

	if (!r->pod)
		return false;
	return dst->port == DNS_PORT ||
	       prefixset_has(r->pod->ranges, &dst->addr) ||
	       (r->forbidden && !supervised_is_loopback(&dst->addr));
}

int supervised_run_fits(const struct options *o, struct kt_error *err)
{
	const struct kt_error why = *err;

	if (!o->run.exchange && !o->run.mesh && !o->run.preview)
		return 0;
	*err = (struct kt_error){ 0 };
	kt_hint(err, "%s",
		why.hint[0] ? why.hint
			    : "start ktctl exchange, mesh or preview beside "
			      "it");
	return kt_fail(err, EOPNOTSUPP,
		       "--exchange, --mesh and --preview need namespaces%s%s",
		       why.code ? ": " : "", why.msg);
}

int supervised_run_check(struct app *app, struct kt_error *err)
{
	const struct kt_error why = *err;

	*err = (struct kt_error){ 0 };
	if (ways_try_seccomp(err) < 0)
		return -err->code;
	progress_note(app->progress,
		      "%s%sthe program's system calls are supervised "
		      "(--capture seccomp)",
		      why.msg, why.code ? "; " : "");
	return 0;
}

struct supervised_run *supervised_run_new(struct app *app,
					  const struct options *o)
{
	static const struct supervisor_ops ops = { supervised_wants };
	struct supervised_run *r = xcalloc(1, sizeof(*r));

	r->app = app;
	r->forbidden = o->run.no_outside;
	r->supervisor = supervisor_new(app->loop, &ops, r);
	return r;
}

int supervised_run_capture(struct supervised_run *r, struct capture **out,
			   const struct capture *base, struct kt_error *err)
{
	return supervisor_capture(out, base, r->supervisor, err);
}

void supervised_run_pod(struct supervised_run *r, const struct connect_pod *pod)
{
	if (r)
		r->pod = pod;
}

void supervised_run_start(struct supervised_run *r, int listener)
{
	struct kt_error err = { 0 };

	if (supervisor_start(r->supervisor, listener, &err) < 0)
		log_warn("%s", err.msg);
}

void supervised_run_free(struct supervised_run *r)
{
	if (!r)
		return;
	supervisor_free(r->supervisor);
	free(r);
}

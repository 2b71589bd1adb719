/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/reverts.h"

#include "base/mem.h"
#include "cluster/objects.h"

#include <errno.h>
#include <string.h>

bool reverts_is_last(const struct reverts *r, const char *by, int64_t now)
{
	size_t kept = MIN(r->n, (size_t)REVERTS_KEPT), same = 0;

	for (size_t i = 0; i < kept; i++)
		same += strcmp(r->v[i].by, by ? by : "") == 0 &&
			now - r->v[i].at < REVERTS_WITHIN;
	return same + 1 >= REVERTS_END;
}

void reverts_note(struct reverts *r, const char *by, int64_t now)
{
	size_t i = r->n++ % REVERTS_KEPT;

	snprintf(r->v[i].by, sizeof(r->v[i].by), "%s", by ? by : "");
	r->v[i].at = now;
}

int reverts_fail(struct kt_error *err, const char *kind, const char *ns,
		 const json_t *obj, const char *field, const char *by)
{
	kt_hint(err,
		"use 'exchange --mode ephemeral', which leaves it alone, or "
		"pause '%s' meanwhile: Flux by the annotation "
		"kustomize.toolkit.fluxcd.io/reconcile=disabled on the %s, "
		"Argo CD by ignoreDifferences for %s in its Application; or "
		"declare a router beside it ('ktctl env init') and use 'ktctl "
		"env join', which then changes nothing of it",
		by ? by : "who does it", kind, field);
	return kt_fail(err, ECANCELED,
		       "%s %s/%s was put back %d times within a minute by "
		       "'%s': it is given back",
		       kind, ns, object_name(obj), REVERTS_END,
		       by ? by : "somebody");
}

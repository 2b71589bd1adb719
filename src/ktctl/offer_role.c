/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/offer_role.h"

#include "base/mem.h"
#include "base/str.h"
#include "connect_role.h" /* deploy/rbac/connect.yaml as connect_yaml */
#include "kube/authz.h"
#include "kube/denied.h"

#include <ctype.h>
#include <string.h>

#define SA_PREFIX "system:serviceaccount:"

/* The name comes from the server and goes into a command for a shell. */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.:@", *s))
			return false;
	return true;
}

static void print_published(const struct denied *d)
{
	bool account = str_starts(d->user, SA_PREFIX);
	const char *name = d->user + (account ? strlen(SA_PREFIX) : 0);

	fprintf(stderr,
		"An administrator can allow all that connect needs:\n"
		"\n"
		"kubectl -n %s apply -f - <<'END'\n%sEND\n"
		"kubectl -n %s create rolebinding 'ktctl-connect-%s' "
		"--role ktctl-connect --%s '%s'\n",
		d->ns, connect_yaml, d->ns, name,
		account ? "serviceaccount" : "user", name);
}

void offer_role(const struct kt_error *err)
{
	auto_free char *role = NULL;
	struct denied d;

	if (err->http_status != 403 || !denied_parse(&d, err->msg))
		return;
	if (d.ns[0] && !d.group[0] && is_plain(d.user) && is_plain(d.ns)) {
		print_published(&d);
		return;
	}
	role = authz_role_for(err);
	if (role)
		fprintf(stderr,
			"An administrator can allow it with kubectl apply -f "
			"- and:\n\n%s",
			role);
}

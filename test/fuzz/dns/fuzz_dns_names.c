/* SPDX-License-Identifier: Apache-2.0 */
/* Any name gets a plan; every candidate begins with what was typed. */
#include "base/mem.h"
#include "dns/names.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dns_view *v, const struct dns_name *name)
{
	struct dns_plan plan;

	dns_names_plan(v, name, &plan);
	if ((plan.route == DNS_ROUTE_EXPAND) != (plan.n > 0) ||
	    plan.n > DNS_CAND_MAX)
		abort();
	for (size_t i = 0; i < plan.n; i++) {
		const struct dns_name *c = &plan.cand[i].name;

		if (memcmp(c->b, name->b, name->b[0] + 1u) != 0 ||
		    (!plan.cand[i].weak && !dns_name_under(c, &v->domain)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv struct strv search = strv_split("corp.test,demo,lan", ',');
	struct dns_view v;
	struct dns_name n;
	struct ipprefix p = { 0 };

	if (dns_name_parse(&n, text) < 0)
		return 0;
	if (dns_view_init(&v, "cluster.local", "demo", NULL) < 0)
		abort();
	dns_search_set(&v.laptop, &search, 3);
	check(&v, &n);
	dns_view_set_namespaces(&v, &search);
	dns_view_set_services(&v, &search);
	check(&v, &n);
	(void)!dns_names_reverse(&n, &p);
	if (p.len > 128)
		abort();
	dns_view_fini(&v);
	return 0;
}

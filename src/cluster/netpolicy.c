/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/netpolicy.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

static bool has_text(const json_t *list, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (str_eq(json_string_value(v), text))
			return true;
	return false;
}

/* One of matchExpressions */
static bool netpolicy_expression(const json_t *e, const json_t *labels)
{
	const char *op = json_str(e, "operator", NULL);
	const char *key = json_str(e, "key", NULL);
	const char *value = key ? json_str(labels, key, NULL) : NULL;
	const json_t *values = json_object_get(e, "values");

	if (str_eq(op, "In"))
		return value && has_text(values, value);
	if (str_eq(op, "NotIn"))
		return !value || !has_text(values, value);
	if (str_eq(op, "Exists"))
		return value;
	return str_eq(op, "DoesNotExist") && !value;
}

bool netpolicy_matches(const json_t *selector, const json_t *labels)
{
	json_t *want = json_object_get(selector, "matchLabels");
	const json_t *list = json_object_get(selector, "matchExpressions"), *e;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach (want, key, value)
		if (!str_eq(json_str(labels, key, NULL),
			    json_string_value(value)))
			return false;
	json_array_foreach (list, i, e)
		if (!netpolicy_expression(e, labels))
			return false;
	return true;
}

bool netpolicy_selects(const json_t *policy, const json_t *labels)
{
	const json_t *types = json_at(policy, "spec", "policyTypes", NULL);

	if (types && !has_text(types, "Ingress"))
		return false;
	return netpolicy_matches(json_at(policy, "spec", "podSelector", NULL),
				 labels);
}

static bool netpolicy_allows(const json_t *policy)
{
	return json_array_size(json_at(policy, "spec", "ingress", NULL));
}

const char *netpolicy_keeps_out(const json_t *policies, const json_t *shadow,
				const json_t *own)
{
	const char *closed = NULL, *missing = NULL;
	bool open = false;
	const json_t *p;
	size_t i;

	json_array_foreach (policies, i, p) {
		bool selects = netpolicy_selects(p, shadow);

		if (selects && netpolicy_allows(p))
			open = true;
		if (selects)
			closed = object_name(p);
		else if (own && netpolicy_allows(p) &&
			 netpolicy_selects(p, own))
			missing = object_name(p);
	}
	if (!closed)
		return NULL; /* everybody may come */
	return missing ? missing : !open && !own ? closed : NULL;
}

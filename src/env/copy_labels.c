/* SPDX-License-Identifier: Apache-2.0 */
#include "env/copy_labels.h"

#include "base/mem.h"
#include "cluster/netpolicy.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

/* Array of all that finds Pods and must not find the copy: the present selector
 * of each Service, and what it was before we took the Service over */
static json_t *copy_labels_selectors(const struct copy_labels *c)
{
	json_t *all = json_array();
	const json_t *s;
	size_t i;

	if (json_is_object(c->selector))
		json_array_append(all, (json_t *)(uintptr_t)c->selector);
	json_array_foreach (c->services, i, s) {
		json_t *now = json_at(s, "spec", "selector", NULL);
		json_t *before = service_original(s);

		if (json_is_object(now))
			json_array_append(all, now);
		if (json_is_object(before))
			json_array_append(all, before);
		json_decref(before);
	}
	return all;
}

/* It finds Pods with @labels, and asks for more than what is ours */
static bool copy_labels_found_by(const json_t *selector, const json_t *labels,
				 const json_t *ours)
{
	const char *key;
	json_t *v;

	if (!selector_matches(selector, labels))
		return false;
	json_object_foreach ((json_t *)(uintptr_t)selector, key, v)
		if (!json_object_get(ours, key))
			return true;
	return false;
}

static size_t copy_labels_count(const json_t *selectors, const json_t *labels,
				const json_t *ours, const char *key)
{
	const json_t *s;
	size_t n = 0, i;

	json_array_foreach (selectors, i, s)
		if ((!key || json_object_get(s, key)) &&
		    copy_labels_found_by(s, labels, ours))
			n++;
	return n;
}

/* A LabelSelector asks for it */
static bool copy_labels_asked(const json_t *selector, const char *key)
{
	const json_t *e;
	const char *name;
	size_t i;

	if (json_at(selector, "matchLabels", key, NULL))
		return true;
	json_array_foreach (json_object_get(selector, "matchExpressions"), i,
			    e) {
		name = json_str(e, "key", NULL);
		if (name && strcmp(name, key) == 0)
			return true;
	}
	return false;
}

static size_t copy_labels_peers(const json_t *policy, const char *list,
				const char *side, const char *key)
{
	const json_t *rule, *peer;
	size_t n = 0, i, k;

	json_array_foreach (json_at(policy, "spec", list, NULL), i, rule)
		json_array_foreach (json_object_get(rule, side), k, peer)
			n += copy_labels_asked(
				json_object_get(peer, "podSelector"), key);
	return n;
}

/* How often NetworkPolicies ask for it: of whom they are for, and of whom they
 * let in and out */
static size_t copy_labels_policies(const json_t *policies, const char *key)
{
	const json_t *p;
	size_t n = 0, i;

	json_array_foreach (policies, i, p) {
		n += copy_labels_asked(json_at(p, "spec", "podSelector", NULL),
				       key);
		n += copy_labels_peers(p, "ingress", "from", key);
		n += copy_labels_peers(p, "egress", "to", key);
	}
	return n;
}

/* The label that ends most of the finding; borrowed from @labels, NULL: nothing
 * finds the copy any more */
static const char *copy_labels_worst(const struct copy_labels *c,
				     const json_t *selectors, json_t *labels)
{
	const char *worst = NULL, *key;
	size_t most = 0, asked = 0;
	json_t *v;

	json_object_foreach (labels, key, v) {
		size_t n, policies;

		if (json_object_get(c->ours, key))
			continue;
		n = copy_labels_count(selectors, labels, c->ours, key);
		if (!n || n < most)
			continue;
		policies = copy_labels_policies(c->policies, key);
		if (n == most && (policies > asked || (policies == asked &&
						       strcmp(key, worst) > 0)))
			continue;
		worst = key;
		most = n;
		asked = policies;
	}
	return worst;
}

/* Those that went first may not have had to, after what went later */
static void copy_labels_give_back(const struct copy_labels *c,
				  const json_t *selectors, json_t *labels,
				  json_t *gone)
{
	const char *key;
	json_t *v;

	json_object_foreach (gone, key, v) {
		json_object_set(labels, key, v);
		if (copy_labels_count(selectors, labels, c->ours, NULL))
			json_object_del(labels, key);
	}
}

json_t *copy_labels_make(const struct copy_labels *c)
{
	auto_json json_t *selectors = copy_labels_selectors(c);
	auto_json json_t *gone = json_object();
	json_t *labels = json_is_object(c->labels)
				 ? json_copy((json_t *)(uintptr_t)c->labels)
				 : json_object();
	const char *key;

	json_object_update(labels, (json_t *)(uintptr_t)c->ours);
	while ((key = copy_labels_worst(c, selectors, labels))) {
		json_object_set(gone, key, json_object_get(labels, key));
		json_object_del(labels, key);
	}
	copy_labels_give_back(c, selectors, labels, gone);
	return labels;
}

const char *copy_labels_policy(const struct copy_labels *c, const json_t *kept)
{
	const json_t *p;
	size_t i;

	json_array_foreach (c->policies, i, p)
		if (netpolicy_matches(json_at(p, "spec", "podSelector", NULL),
				      c->labels) &&
		    !netpolicy_matches(json_at(p, "spec", "podSelector", NULL),
				       kept))
			return object_name(p);
	return NULL;
}

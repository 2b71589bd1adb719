/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload, its namespace and its Pods, whatever JSON they are: {"template":,
 * "service":, "services":, ...}. No Service finds the copy that comes out, and
 * no copy is made of it.
 */
#include "base/mem.h"
#include "cluster/svcports.h"
#include "env/advice.h"
#include "env/copy.h"
#include "env/copy_state.h"
#include "env/workload.h"
#include "kube/rest.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_ours(const json_t *selector)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)selector, key, v)
		if (!str_starts(key, "kt-"))
			return false;
	return true;
}

static void check_labels(const struct env_copy *c, const json_t *services)
{
	json_t *labels = json_at(c->deployment, "spec", "template", "metadata",
				 "labels", NULL);
	const json_t *s;
	size_t i;

	if (!selector_matches(c->selector, labels))
		abort();
	json_array_foreach (services, i, s) {
		json_t *selector = json_at(s, "spec", "selector", NULL);

		if (selector_matches(selector, labels) && !is_ours(selector))
			abort();
	}
}

static void check_copy(struct copy_spec *s)
{
	struct env_copy c, again;
	struct kt_error err = { 0 };

	if (copy_make(&c, s, &err) < 0)
		return;
	if (!c.deployment || !c.ports || !c.container)
		abort();
	check_labels(&c, s->services);
	s->template = json_at(c.deployment, "spec", "template", NULL);
	if (copy_make(&again, s, &err) == 0)
		abort();
	copy_fini(&c);
}

static void check_pods(const json_t *pods, const json_t *events)
{
	char *others;
	const json_t *pod = workload_pick(pods, &others);
	struct copy_report r;
	bool grows;

	free(others);
	if (pod)
		json_decref(workload_pod_template(pod));
	copy_report_make(&r, pods, 1);
	copy_report_event(events, r.pod ? r.pod : "p", &grows);
}

static void check_advice(const struct copy_spec *s)
{
	struct service_ports ports;
	struct strv warnings = { 0 };
	struct kt_error err = { 0 };
	struct advice_of a = { .ns = "ns",
			       .service = s->service,
			       .ports = &ports,
			       .template = s->template };

	if (service_ports_make(&ports, s->service, NULL, &err) < 0)
		return;
	if (advice_make(&a, &warnings, &err) < 0 && !err.msg[0])
		abort();
	strv_fini(&warnings);
	service_ports_fini(&ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *in = json_loadb((const char *)data, size, 0, NULL);
	json_t *service = json_deep_copy(json_object_get(in, "service"));
	auto_json json_t *owner = json_object();
	const char *image = json_str(in, "image", NULL);
	struct kt_error err = { 0 };
	struct copy_spec s = { .env = "dev.pr-42",
			       .of = "Deployment orders",
			       .template = json_object_get(in, "template"),
			       .selector = json_object_get(in, "selector"),
			       .claims = json_object_get(in, "claims"),
			       .services = json_object_get(in, "services"),
			       .policies = json_object_get(in, "policies"),
			       .image = image ? image : "r/orders:pr-42",
			       .target = "abc",
			       .user = "ann",
			       .owner = owner };

	if (!json_is_object(service)) {
		json_decref(service);
		service = json_object();
	}
	/* names of Services are DNS labels */
	json_object_set_new(service, "metadata",
			    json_pack("{s:s}", "name", "orders"));
	s.service = service;
	check_advice(&s);
	check_copy(&s);
	check_pods(json_object_get(in, "pods"), json_object_get(in, "events"));
	copy_report_deployment(json_object_get(in, "deployment"), &err);
	json_decref(service);
	json_decref(in);
	return 0;
}

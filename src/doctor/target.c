/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/target.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/gitops.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

static void target_check_user(struct findings *f, const json_t *service)
{
	const char *role = service_role(service);

	if (!object_annotation(service, KT_ANNOTATION_SELECTOR))
		finding_add(f, "users", FINDING_OK, NULL,
			    "nobody exchanges or meshes it");
	else
		finding_add(f, "users", FINDING_WARN,
			    "a mesh can be shared by several, an exchange "
			    "cannot; 'ktctl recover' ends what a dead client "
			    "left",
			    "it is in use already (%s)",
			    role ? role : "its selector is changed");
}

static void target_check_manager(struct findings *f, const json_t *service)
{
	const char *pause = NULL;
	const char *name = gitops_manager(service, &pause);

	if (name)
		finding_add(f, "GitOps", FINDING_WARN, pause,
			    "the Service is managed by %s", name);
	else
		finding_add(f, "GitOps", FINDING_OK, NULL,
			    "no manager that would put the Service back");
}

static void target_check_sctp(struct findings *f, const json_t *service)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_at(service, "spec", "ports", NULL), i, port)
		if (str_eq(json_str(port, "protocol", NULL), "SCTP"))
			finding_add(f, "ports", FINDING_WARN,
				    "that port is left out",
				    "port %lld is SCTP, which no port-forward "
				    "carries",
				    json_integer_value(
					    json_object_get(port, "port")));
}

static void target_check_marks(struct findings *f,
			       const struct service_ports *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		const char *why = service_port_unmarked(&ports->v[i]);

		if (why)
			finding_add(f, "ports", FINDING_WARN,
				    ports->v[i].tls
					    ? "mesh a Service behind the one "
					      "that ends TLS"
					    : "exchange takes it as a whole",
				    "port %u %s, as it seems: nobody can see a "
				    "mark there",
				    ports->v[i].port, why);
	}
}

/* What is refused whatever the flags are */
static bool target_check_kind(struct findings *f, const json_t *service)
{
	auto_json json_t *original = service_original(service);
	const char *name = object_name(service);

	if (str_eq(json_str(service, "spec", "type", NULL), "ExternalName"))
		finding_add(
			f, "Service", FINDING_FAIL, "name a Service of Pods",
			"%s is only another name of %s: it has no Pods "
			"whose place could be taken",
			name, json_str(service, "spec", "externalName", NULL));
	else if (str_eq(object_label(service, KT_LABEL_CONTROL),
			KT_LABEL_CONTROL_VALUE))
		finding_add(f, "Service", FINDING_FAIL,
			    "name the Service that it stands for",
			    "%s is one that ktctl has made itself", name);
	else if (!json_object_size(original))
		finding_add(f, "Service", FINDING_FAIL,
			    "name the Service that leads to the Pods",
			    "%s has no selector: it leads to no Pods", name);
	else
		return true;
	return false;
}

static void target_check_names(struct findings *f, const json_t *service,
			       const json_t *pods)
{
	auto_free char *named = service_named_pod(service, pods);

	if (named)
		finding_add(f, "headless", FINDING_FAIL,
			    "'exchange --mode ephemeral' leaves the names as "
			    "they are; --force takes the Service all the same",
			    "it gives its Pods names (%s), which nobody could "
			    "resolve while it leads here",
			    named);
}

/* Whether it can be taken at all, and what its callers will see */
void target_check(struct findings *f, const json_t *service, const json_t *pods,
		  bool http)
{
	struct service_ports ports = { 0 };
	struct kt_error err = { 0 };
	auto_free char *text = NULL;
	const char *caveat;

	if (!target_check_kind(f, service))
		return;
	if (service_ports_make(&ports, service, pods, &err) < 0) {
		finding_error(f, "Service", FINDING_FAIL, &err);
		return;
	}
	text = service_ports_text(&ports);
	finding_add(f, "Service", FINDING_OK, NULL, "%s, ports %s",
		    object_name(service), text);
	for (size_t n = 0; (caveat = service_caveat(service, http, n)); n++)
		finding_add(f, "Service", FINDING_WARN, NULL, "%s", caveat);
	target_check_names(f, service, pods);
	target_check_sctp(f, service);
	if (http)
		target_check_marks(f, &ports);
	target_check_manager(f, service);
	target_check_user(f, service);
	service_ports_fini(&ports);
}

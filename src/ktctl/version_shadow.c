/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/version_shadow.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/ask_version.h"
#include "uplink/shadow_ports.h"

#include <errno.h>
#include <string.h>

#define VERSION_LIST (5 * NS_SEC) /* for the list of Pods */
#define VERSION_ASK (3 * NS_SEC)  /* for each of them */
#define VERSION_ALL (10 * NS_SEC)
#define VERSION_MAX_PODS 32

static int version_ask(struct app *app, const struct options *o,
		       const struct shadow_config *cfg, const json_t *pod,
		       json_t *list)
{
	struct shadow_pod *shadow = shadow_new(cfg);
	struct uplink_config up = {
		.loop = app->loop,
		.kube = cfg->kube,
		.ns = cfg->ns,
		.shadow = shadow,
		.open_timeout_ns = VERSION_ASK,
		.home = app->home,
		.carrier = o->global.carrier,
	};
	char version[ASK_VERSION_SIZE];
	struct kt_error err = { 0 };
	const char *role = object_label(pod, KT_LABEL_ROLE);
	int rc;

	shadow_adopt(shadow, object_name(pod), KT_CONTAINER,
		     shadow_ports_tunnel(pod));
	rc = ask_version(uplink_new(&up), app->loop, VERSION_ASK, version,
			 &err);
	shadow_free(shadow);
	json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "pod",
					      object_name(pod), "role",
					      role ? role : "",
					      rc < 0 ? "error" : "version",
					      rc < 0 ? err.msg : version));
	return rc == -EINTR ? rc : 0;
}

static bool version_can_ask(const json_t *pod)
{
	return object_is_of_ktctl(pod) && !object_is_ending(pod) &&
	       str_eq(json_str(pod, "status", "phase", NULL), "Running");
}

static int version_ask_all(struct app *app, const struct options *o,
			   const struct shadow_config *cfg, json_t **out,
			   struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", cfg->ns, NULL, NULL);
	const struct kube_request req = {
		.method = "GET",
		.path = path,
		.query = "limit=500&labelSelector=" KT_LABEL_ROLE,
		.timeout_ns = VERSION_LIST,
		.no_retry = true
	};
	int64_t end = clock_ns() + VERSION_ALL;
	auto_json json_t *pods = NULL;
	auto_json json_t *list = json_array();
	const json_t *pod;
	size_t i;
	int rc = kube_call(cfg->kube, &req, &pods, err);

	if (rc < 0)
		return rc;
	json_array_foreach (json_object_get(pods, "items"), i, pod) {
		if (json_array_size(list) == VERSION_MAX_PODS ||
		    clock_ns() > end)
			break;
		rc = version_can_ask(pod) ? version_ask(app, o, cfg, pod, list)
					  : 0;
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	*out = json_incref(list);
	return 0;
}

int version_shadows(struct app *app, const struct options *o, json_t **out,
		    struct kt_error *err)
{
	struct kube_config_source src = { .files = o->global.kubeconfig,
					  .context = o->global.context };
	struct shadow_config cfg = { .pod = &o->global.pod };
	struct kube_config *config = NULL;
	int rc = kube_config_load(&config, &src, err);

	if (rc == 0)
		rc = kube_new(&cfg.kube, app->loop, config, err);
	if (rc == 0) {
		cfg.ns = o->global.namespace ? o->global.namespace
					     : config->namespace_;
		rc = version_ask_all(app, o, &cfg, out, err);
	}
	kube_free(cfg.kube);
	kube_config_free(config);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/look.h"

#include "birdseye/ask.h"
#include "birdseye/rows.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/objects.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <string.h>
#include <time.h>

static bool look_is_dead(void *user, const char *owner)
{
	const struct app *app = user;

	return owner_is_dead(app->home, owner);
}

/* Each Pod once: a connect shadow of the own namespace is in both lists */
static json_t *look_pods_to_ask(const struct collection *c)
{
	json_t *all =
		c->connect_pods ? json_copy(c->connect_pods) : json_array();
	const json_t *pod;
	size_t i;

	json_array_foreach (c->pods, i, pod) {
		const char *role = object_label(pod, KT_LABEL_ROLE);

		if (role && strcmp(role, KT_ROLE_CONNECT) != 0)
			json_array_append(all, (json_t *)(uintptr_t)pod);
	}
	return all;
}

json_t *look_ask(const struct look *l, const struct collection *c,
		 bool *refused)
{
	const struct ask_config ask = { l->kube, l->app->home,
					l->global->carrier, l->until, refused };
	auto_json json_t *pods = look_pods_to_ask(c);

	return ask_all(&ask, pods);
}

int64_t look_now(const struct look *l)
{
	return l->global->use_local_time ? (int64_t)time(NULL)
					 : kube_cluster_time(l->kube);
}

json_t *look_view(const struct look *l, const struct collection *c,
		  const json_t *answers, int64_t now)
{
	struct rows_input in = {
		.services = c->services,
		.pods = c->pods,
		.deployments = c->deployments,
		.answers = answers,
		.life = { now, look_is_dead, l->app },
		.hide_natural = l->hide_natural,
		.by_name = l->by_name,
	};
	char time_text[RFC3339_STRLEN];
	json_t *view = json_pack("{s:i,s:s,s:s?,s:o}", "version", 1, "time",
				 rfc3339_format(now, time_text), "namespace",
				 l->ns, "services", rows_services(&in));

	in.pods = c->connect_pods;
	in.deployments = c->connect_deployments;
	if (l->connectors)
		json_object_set_new(view, "connectors", rows_connectors(&in));
	return view;
}

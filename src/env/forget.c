/* SPDX-License-Identifier: Apache-2.0 */
#include "env/forget.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "env/routers.h"
#include "kube/rest.h"
#include "uplink/uplink.h"

#include <errno.h>

#define FORGET_AGAIN (100 * NS_MS)

struct forget {
	const struct env_command *c;
	const char *env;
	struct uplink *uplink;
	bool told, knows;
};

static void forget_on_info(void *user, int error,
			   const struct tunnel_info *info)
{
	struct forget *f = user;

	f->told = true;
	f->knows = !error && strv_has(&info->env_members, f->env);
}

/* One router. Its answer says of which environments it has a member. */
static int forget_one(struct forget *f, int64_t end)
{
	struct loop *loop = f->c->app->loop;
	int rc = 0;

	do {
		f->told = f->knows = false;
		if (tunnel_info_get(uplink_tunnel(f->uplink), forget_on_info,
				    f) < 0)
			return 0;
		rc = loop_run_until(loop, &f->told,
				    MAX(end - clock_ns(), (int64_t)0));
		if (rc == 0 && f->knows)
			rc = loop_sleep(loop, FORGET_AGAIN);
	} while (rc == 0 && f->knows && clock_ns() < end);
	return rc == -EINTR ? rc : 0;
}

static int forget_at(struct forget *f, json_t *pod, int64_t end)
{
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;
	int rc;

	f->uplink = env_router_tunnel(f->c, pod, &shadow, &err);
	rc = f->uplink ? forget_one(f, end) : 0;
	if (!f->uplink)
		log_debug("router %s: %s",
			  json_str(pod, "metadata", "name", NULL), err.msg);
	uplink_close(f->uplink);
	shadow_free(shadow);
	return rc;
}

void env_forget_wait(const struct env_command *c, const struct env_info *info,
		     const char *service)
{
	struct forget f = { .c = c, .env = info->name };
	int64_t end = clock_ns() + FORGET_NS;
	auto_json json_t *pods = NULL;
	struct kt_error err = { 0 };
	json_t *pod;
	size_t i;
	int rc = 0;

	if (!info->strict)
		return;
	if (env_router_pods(c, &pods, &err) < 0)
		log_debug("routers: %s", err.msg);
	json_array_foreach (pods, i, pod) {
		auto_free char *of = env_router_service(pod);

		if (rc == 0 && (!service || str_eq(of, service)))
			rc = forget_at(&f, pod, end);
	}
}

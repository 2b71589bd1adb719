/* SPDX-License-Identifier: Apache-2.0 */
#include "base/grid.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "env/view.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <string.h>

/* Since @at; "-": not known */
static const char *view_age(const char *at, int64_t now, char dst[24])
{
	int64_t t = at ? rfc3339_parse(at) : -1;

	return t < 0 ? "-" : env_span(now - t, dst);
}

static const char *view_left(const json_t *env, int64_t now, char dst[24])
{
	const char *expires = json_str(env, "expires", NULL);

	if (str_eq(json_str(env, "state", NULL), "ended"))
		return "ended";
	return expires ? env_span(rfc3339_parse(expires) - now, dst)
		       : "never ends";
}

/* "onDelete /drop of the member db of environment red, which is over: runs" */
static void view_print_hooks(const json_t *view)
{
	const json_t *hook;
	size_t i;

	json_array_foreach (json_object_get(view, "hooks"), i, hook)
		print_line(stdout,
			   "%s of the member %s of environment %s, which is "
			   "over: %s (Job %s)",
			   json_str(hook, "hook", NULL),
			   json_str(hook, "service", NULL),
			   json_str(hook, "environment", NULL),
			   json_str(hook, "state", NULL),
			   json_str(hook, "job", NULL));
}

/* "3 (2 asleep)" */
static void view_count(const json_t *env, char dst[48])
{
	json_int_t n = json_integer_value(json_object_get(env, "members"));
	json_int_t asleep = json_integer_value(json_object_get(env, "asleep"));

	if (asleep)
		snprintf(dst, 48, "%lld (%lld asleep)", (long long)n,
			 (long long)asleep);
	else
		snprintf(dst, 48, "%lld", (long long)n);
}

static void view_print_environments(const json_t *view, int64_t now)
{
	static const char *const heads[] = {
		"ENVIRONMENT", "USER", "AGE", "LEFT", "MEMBERS", "STRICT"
	};
	const json_t *all = json_object_get(view, "environments"), *env;
	struct grid g = { .columns = ARRAY_SIZE(heads) };
	size_t i;

	if (!json_array_size(all)) {
		print_line(stdout, "No environment in namespace %s",
			   json_str(view, "namespace", NULL));
		return;
	}
	grid_add(&g, heads);
	json_array_foreach (all, i, env) {
		char age[24], left[24], members[48];
		const char *const cells[] = {
			json_str(env, "name", NULL),
			json_str(env, "user", NULL),
			view_age(json_str(env, "since", NULL), now, age),
			view_left(env, now, left),
			members,
			json_is_true(json_object_get(env, "strict")) ? "yes"
								     : "no",
		};

		view_count(env, members);
		grid_add(&g, cells);
	}
	grid_print(&g);
}

void env_view_print_list(const json_t *view, int64_t now)
{
	view_print_environments(view, now);
	view_print_hooks(view);
}

static void view_print_members(const json_t *members, int64_t now)
{
	static const char *const heads[] = { "SERVICE", "MEMBER", "USER",
					     "MACHINE", "AGE",	  "STATE" };
	struct grid g = { .columns = ARRAY_SIZE(heads) };
	const json_t *one;
	size_t i;

	grid_add(&g, heads);
	json_array_foreach (members, i, one) {
		const char *what = json_str(one, "what", NULL);
		auto_free char *member =
			xasprintf("%s%s%s", json_str(one, "kind", NULL),
				  what ? " " : "", what ? what : "");
		char age[24];
		const char *const cells[] = {
			json_str(one, "service", NULL),
			member,
			json_str(one, "user", NULL),
			json_str(one, "machine", NULL),
			view_age(json_str(one, "since", NULL), now, age),
			json_str(one, "state", NULL),
		};

		grid_add(&g, cells);
	}
	grid_print(&g);
}

void env_view_print_show(const json_t *view, int64_t now)
{
	const json_t *env = json_object_get(view, "environment");
	const json_t *members = json_object_get(env, "members");
	const char *parent = json_str(env, "parent", NULL);
	const char *user = json_str(env, "user", NULL);
	const char *machine = json_str(env, "machine", NULL);
	const char *expires = json_str(env, "expires", NULL);
	char age[24], left[24];
	const char *header = json_str(env, "header", NULL);
	const json_t *host;
	size_t i;

	print_line(stdout, "Environment %s of namespace %s",
		   json_str(env, "name", NULL),
		   json_str(view, "namespace", NULL));
	print_line(stdout, "  made by    %s%s%s, %s ago",
		   user ? user : "somebody", machine ? " on " : "",
		   machine ? machine : "",
		   view_age(json_str(env, "since", NULL), now, age));
	print_line(stdout, "  time left  %s%s%s%s", view_left(env, now, left),
		   expires ? " (until " : "", expires ? expires : "",
		   expires ? ")" : "");
	print_line(stdout, "  otherwise  %s%s", parent ? parent : "the trunk",
		   parent ? ", the trunk" : "");
	if (json_is_true(json_object_get(env, "strict")))
		print_line(stdout, "  strict     a member that is down is an "
				   "error (503)");
	print_line(stdout, "  mark       baggage: kt-env=%s%s%s%s%s",
		   json_str(env, "name", NULL), header ? "; " : "",
		   header ? header : "", header ? ": " : "",
		   header ? json_str(env, "name", NULL) : "");
	json_array_foreach (json_object_get(env, "hosts"), i, host)
		print_line(stdout, "  host       %s: Service %s",
			   json_str(host, "host", NULL),
			   json_str(host, "service", NULL));
	if (json_array_size(members))
		view_print_members(members, now);
	else
		print_line(stdout,
			   "No members: 'ktctl env join %s SERVICE' makes one",
			   json_str(env, "name", NULL));
}

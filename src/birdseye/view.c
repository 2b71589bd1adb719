/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/view.h"

#include "base/grid.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "birdseye/life.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <string.h>

/* --- Services ------------------------------------------------------------- */

static const char *view_age(const json_t *row, int64_t now, char dst[24])
{
	const char *since = json_str(row, "since", NULL);
	int64_t at = since ? rfc3339_parse(since) : -1;

	return at < 0 ? "-" : life_duration(now > at ? now - at : 0, dst);
}

static void view_service(struct grid *g, const json_t *service,
			 const json_t *session, int64_t now, bool namespaces)
{
	const char *status = json_str(service, "status", NULL);
	const char *mode = json_str(session, "mode", NULL);
	const char *rule = json_str(session, "rule", NULL);
	char text[64], alive[64] = "", age[24];
	bool tells = session && !str_eq(status, "previewing") &&
		     !str_eq(mode, "selector");

	snprintf(text, sizeof(text), tells ? "%s (%s)" : "%s", status, mode);
	if (session)
		life_text(session, alive, sizeof(alive));

	const char *const cells[] = {
		json_str(service, "namespace", NULL),
		json_str(service, "name", NULL),
		text,
		json_str(session, "user", NULL),
		json_str(session, "machine", NULL),
		session ? view_age(session, now, age) : "",
		alive,
		rule,
	};
	grid_add(g, cells + !namespaces);
}

static void view_services(const json_t *view, int64_t now, bool namespaces)
{
	static const char *const heads[] = { "NAMESPACE", "SERVICE", "STATUS",
					     "USER",	  "MACHINE", "SINCE",
					     "ALIVE",	  "RULE" };
	struct grid g = { .columns = ARRAY_SIZE(heads) - !namespaces };
	const json_t *service, *session;
	size_t i, k;

	grid_add(&g, heads + !namespaces);
	json_array_foreach (json_object_get(view, "services"), i, service) {
		const json_t *list = json_object_get(service, "sessions");

		if (!json_array_size(list))
			view_service(&g, service, NULL, now, namespaces);
		json_array_foreach (list, k, session)
			view_service(&g, service, session, now, namespaces);
	}
	grid_print(&g);
}

/* --- connectors ----------------------------------------------------------- */

/* One's own Pod, or a shared one of which nobody is known */
static void view_connector(struct grid *g, const json_t *row, int64_t now)
{
	const json_t *clients = json_object_get(row, "clients");
	bool shared = json_is_true(json_object_get(row, "shared"));
	char alive[64], age[24], how[64];

	if (!shared)
		snprintf(how, sizeof(how), "%s",
			 json_str(row, "command", NULL));
	else if (json_is_integer(clients))
		snprintf(how, sizeof(how), "connect (shared, %lld connected)",
			 json_integer_value(clients));
	else
		snprintf(how, sizeof(how), "connect (shared)");

	const char *const cells[] = {
		json_str(row, "user", NULL),
		json_str(row, "machine", NULL),
		json_str(row, "namespace", NULL),
		how,
		view_age(row, now, age),
		life_text(row, alive, sizeof(alive)),
	};
	grid_add(g, cells);
}

/* Those who share a Pod, each in a line; since when is not known */
static void view_users(struct grid *g, const json_t *row, const json_t *users)
{
	const json_t *user;
	char how[64];
	size_t i;

	json_array_foreach (users, i, user) {
		const char *command = json_str(user, "command", NULL);
		const char *const cells[] = {
			json_str(user, "user", NULL),
			json_str(user, "machine", NULL),
			json_str(row, "namespace", NULL),
			how,
			NULL,
			"yes",
		};

		snprintf(how, sizeof(how), "%s (shared)",
			 command ? command : "connect");
		grid_add(g, cells);
	}
}

static void view_connectors(const json_t *list, int64_t now)
{
	static const char *const heads[] = { "CONNECTED", "MACHINE",
					     "NAMESPACE", "COMMAND",
					     "SINCE",	  "ALIVE" };
	struct grid g = { .columns = ARRAY_SIZE(heads) };
	const json_t *row;
	size_t i, all;

	print_line(stdout, "%s", "");
	grid_add(&g, heads);
	json_array_foreach (list, i, row) {
		const json_t *users = json_object_get(row, "users");
		bool own = json_str(row, "user", NULL) &&
			   !json_is_true(json_object_get(row, "shared"));

		if (own || !json_array_size(users))
			view_connector(&g, row, now);
		else
			view_users(&g, row, users);
	}
	all = g.rows - 1;
	grid_print(&g);
	print_line(stdout, "%zu in all", all);
}

void view_print_table(const json_t *view, int64_t now, bool namespaces)
{
	const json_t *connectors = json_object_get(view, "connectors");

	view_services(view, now, namespaces);
	if (connectors)
		view_connectors(connectors, now);
}

/* --- for programs --------------------------------------------------------- */

void view_print_json(const json_t *view, bool compact)
{
	auto_free char *text =
		json_dumps(view, compact ? JSON_COMPACT : JSON_INDENT(2));

	if (text)
		print_text(stdout, text, strlen(text));
}

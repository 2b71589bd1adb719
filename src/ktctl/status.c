/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl status: the sessions of this machine, asked by their control sockets.
 */
#include "base/grid.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "control/ask.h"
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define STATUS_EVERY NS_SEC
#define STATUS_COLUMNS 9
#define STATUS_CELL 64

struct status_row {
	char cell[STATUS_COLUMNS][STATUS_CELL];
};

static const char *const status_head[STATUS_COLUMNS] = {
	"SESSION", "TARGET", "NAMESPACE", "STATE", "PING",
	"IN",	   "OUT",    "OPEN",	  "SINCE",
};

/* --- numbers for people --------------------------------------------------- */

static void status_bytes(char dst[STATUS_CELL], uint64_t n)
{
	static const char unit[] = "KMGTPE";
	double v = (double)n / 1024;
	size_t u = 0;

	if (n < 1024) {
		snprintf(dst, STATUS_CELL, "%uB", (unsigned int)n);
		return;
	}
	while (v >= 1024 && unit[u + 1]) {
		v /= 1024;
		u++;
	}
	snprintf(dst, STATUS_CELL, v < 10 ? "%.1f%ciB" : "%.0f%ciB", v,
		 unit[u]);
}

static void status_span(char dst[STATUS_CELL], int64_t seconds)
{
	if (seconds < 60)
		snprintf(dst, STATUS_CELL, "%ds", (int)MAX(seconds, 0));
	else if (seconds < 3600)
		snprintf(dst, STATUS_CELL, "%dm%ds", (int)(seconds / 60),
			 (int)(seconds % 60));
	else if (seconds < 48 * 3600)
		snprintf(dst, STATUS_CELL, "%dh%dm", (int)(seconds / 3600),
			 (int)(seconds % 3600 / 60));
	else
		snprintf(dst, STATUS_CELL, "%lldd",
			 (long long)(seconds / 86400));
}

static int64_t status_age(const char *when)
{
	struct tm tm = { 0 };

	if (!when || !strptime(when, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return 0;
	return (int64_t)time(NULL) - (int64_t)timegm(&tm);
}

/* 1.2ms, when it is of now; how old it is, when it is not */
static void status_ping(char dst[STATUS_CELL], const json_t *s, bool now)
{
	const json_t *probe = json_object_get(s, "probe");
	json_int_t age = json_integer_value(json_object_get(probe, "age_us"));
	double ms = (double)json_integer_value(
			    json_object_get(probe, "latency_us")) /
		    1000;
	char span[STATUS_CELL];

	if (!json_is_object(probe)) {
		snprintf(dst, STATUS_CELL, "-");
		return;
	}
	if (now) {
		snprintf(dst, STATUS_CELL, "%.1fms", ms);
		return;
	}
	status_span(span, age / 1000000);
	snprintf(dst, STATUS_CELL, "%.40s ago", span);
}

/* --- the table ------------------------------------------------------------ */

static const char *status_text(const json_t *s, const char *name)
{
	const char *text = json_str(s, name, NULL);

	return text ? text : "-";
}

static json_int_t status_count(const json_t *s, const char *name)
{
	return json_integer_value(json_object_get(s, name));
}

static void status_fill(struct status_row *r, const json_t *s)
{
	const char *state = status_text(s, "state");
	bool known = json_str(s, "since", NULL); /* it has answered */
	bool up = str_eq(state, "up") || str_eq(state, "partial");

	for (size_t i = 0; i < STATUS_COLUMNS; i++)
		snprintf(r->cell[i], STATUS_CELL, "-");
	snprintf(r->cell[0], STATUS_CELL, "%s", status_text(s, "id"));
	snprintf(r->cell[1], STATUS_CELL, "%s", status_text(s, "target"));
	snprintf(r->cell[2], STATUS_CELL, "%s", status_text(s, "namespace"));
	snprintf(r->cell[3], STATUS_CELL, "%s", state);
	if (!known)
		return;
	status_ping(r->cell[4], s, up);
	status_bytes(r->cell[5], (uint64_t)status_count(s, "bytes_in"));
	status_bytes(r->cell[6], (uint64_t)status_count(s, "bytes_out"));
	snprintf(r->cell[7], STATUS_CELL, "%lld",
		 (long long)status_count(s, "streams"));
	status_span(r->cell[8], status_age(json_str(s, "since", NULL)));
}

/* What a table has no place for */
static void status_print_more(const json_t *s)
{
	const json_t *loss = json_object_get(s, "last_loss");
	const json_t *copies = json_object_get(s, "copies");
	json_int_t n = status_count(s, "reconnects");
	const char *log = json_str(s, "log", NULL);
	char span[STATUS_CELL];
	const json_t *fault;
	size_t i;

	if (json_is_object(loss)) {
		status_span(span, status_age(json_str(loss, "at", NULL)));
		print_line(stdout,
			   "%s: connected again %lld times, lost %s ago: %s",
			   status_text(s, "id"), (long long)n, span,
			   status_text(loss, "reason"));
	}
	if (json_is_object(copies))
		print_line(stdout, "%s: copies sent %lld, dropped %lld",
			   status_text(s, "id"),
			   (long long)status_count(copies, "sent"),
			   (long long)status_count(copies, "dropped"));
	json_array_foreach (json_object_get(s, "faults"), i, fault)
		print_line(stdout, "%s: fault %s: has hit %lld times",
			   status_text(s, "id"), status_text(fault, "fault"),
			   (long long)status_count(fault, "hits"));
	if (log)
		print_line(stdout, "%s: log %s", status_text(s, "id"), log);
}

static void status_table(const json_t *sessions)
{
	struct grid g = { .columns = STATUS_COLUMNS };
	size_t n = json_array_size(sessions);

	if (!n) {
		print_line(stdout, "No session runs on this machine");
		return;
	}
	grid_add(&g, status_head);
	for (size_t i = 0; i < n; i++) {
		const char *texts[STATUS_COLUMNS];
		struct status_row row;

		status_fill(&row, json_array_get(sessions, i));
		for (size_t k = 0; k < STATUS_COLUMNS; k++)
			texts[k] = row.cell[k];
		grid_add(&g, texts);
	}
	grid_print(&g);
	for (size_t i = 0; i < n; i++)
		status_print_more(json_array_get(sessions, i));
}

/* There is one, and each is up */
static bool status_all_up(const json_t *sessions)
{
	const json_t *s;
	size_t i;

	json_array_foreach (sessions, i, s)
		if (!str_eq(status_text(s, "state"), "up"))
			return false;
	return json_array_size(sessions);
}

/* --- the command ---------------------------------------------------------- */

static void status_print(const struct status_options *o, json_t *sessions)
{
	auto_json json_t *all = NULL;
	auto_free char *text = NULL;

	if (o->output == OUTPUT_TEXT) {
		if (o->watch && isatty(STDOUT_FILENO))
			puts("\033[H\033[2J");
		status_table(sessions);
		fflush(stdout);
		return;
	}
	all = json_pack("{s:i,s:O}", "version", 1, "sessions", sessions);
	text = json_dumps(all, o->watch ? JSON_COMPACT : JSON_INDENT(2));
	print_text(stdout, text, strlen(text));
	fflush(stdout);
}

int command_status(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	bool up = false;
	int rc;

	do {
		auto_json json_t *sessions = NULL;

		rc = ask_sessions(app->loop, app->home, &sessions, &err);
		if (rc < 0)
			break;
		up = status_all_up(sessions);
		status_print(&o->status, sessions);
		if (ferror(stdout))
			break; /* main() says so */
		if (o->status.watch)
			rc = loop_sleep(app->loop, STATUS_EVERY);
	} while (o->status.watch && rc == 0);
	/* Ctrl-C is how one leaves a watch */
	if (rc == -EINTR && o->status.watch && signals_seen(app->signals))
		rc = 0;
	if (rc < 0)
		return app_fail(app, rc, &err);
	return o->status.check && !up ? EXIT_FAILED : EXIT_OK;
}

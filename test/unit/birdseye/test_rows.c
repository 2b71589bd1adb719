/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as KT Connect 0.3.7 and ktctl write them, and who has what by them */
#include "json.h"
#include "test.h"

#include "birdseye/ask.h"
#include "birdseye/rows.h"
#include "birdseye/view.h"
#include "cli/yaml.h"
#include "kube/rest.h"
#include "kube/yamltree.h"

#include <string.h>

#define NOW 1000000
#define META(name, labels, notes)                                              \
	"'metadata': {'name': '" name "', 'namespace': 'shop', "               \
	"'creationTimestamp': '1970-01-12T13:00:00Z', 'labels': {" labels      \
	"}, 'annotations': {" notes "}}"
#define KT "'control-by': 'kt'"
#define BEAT(at) "'kt-last-heart-beat': '" at "'"
#define FRESH BEAT("999990")
#define OLD BEAT("999000")
#define OURS                                                                   \
	"'spec': {'containers': [{'name': 'standalone', 'args': "              \
	"['--listen', '18022'], 'readinessProbe': {'httpGet': {'port': "       \
	"18023}}}]}, 'status': {'phase': 'Running'}"
#define KTS                                                                    \
	"'spec': {'containers': [{'name': 'standalone', 'args': []}]}, "       \
	"'status': {'phase': 'Running'}"
#define SERVICE(name, notes, selector)                                         \
	"{" META(name, "", notes) ", 'spec': {'selector': {" selector "}}}"
#define TAKEN(name, role, target)                                              \
	SERVICE(name, "'kt-selector': '{}'",                                   \
		"'kt-role': '" role "', 'kt-target': '" target "'")
#define OWN(name, notes, selector)                                             \
	"{" META(name, KT, notes) ", 'spec': {'selector': {" selector "}}}"
#define POD(name, role, target, notes, spec)                                   \
	"{" META(name,                                                         \
		 KT ", 'kt-role': '" role "', 'kt-target': '" target "'",      \
		 notes) ", " spec "}"

struct fixture {
	json_t *services, *pods, *deployments, *answers;
	struct rows_input in;
	json_t *rows;
};

static bool is_dead(void *user, const char *owner)
{
	(void)user;
	return strcmp(owner, "dead") == 0;
}

static json_t *optional(const char *text)
{
	return text ? json_quoted(text) : NULL;
}

static void look(struct fixture *f, const char *services, const char *pods,
		 const char *deployments, const char *answers)
{
	f->in = (struct rows_input){
		.services = f->services = json_quoted(services),
		.pods = f->pods = json_quoted(pods),
		.deployments = f->deployments = optional(deployments),
		.answers = f->answers = optional(answers),
		.life = { NOW, is_dead, NULL },
		.by_name = f->in.by_name,
		.hide_natural = f->in.hide_natural,
	};
	f->rows = rows_services(&f->in);
}

static void fixture_fini(struct fixture *f)
{
	json_decref(f->services);
	json_decref(f->pods);
	json_decref(f->deployments);
	json_decref(f->answers);
	json_decref(f->rows);
}

/* "name status" of each row, and behind it of each session: command/mode rule
 * user alive:state:age:by */
static const char *told(const json_t *rows)
{
	static char out[4096];
	const json_t *row, *s;
	size_t n = 0, i, k;

	out[0] = 0;
	json_array_foreach (rows, i, row) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s %s",
				      i ? "; " : "",
				      json_str(row, "name", NULL),
				      json_str(row, "status", NULL));
		json_array_foreach (json_object_get(row, "sessions"), k, s) {
			const json_t *alive = json_object_get(s, "alive");
			const char *user = json_str(s, "user", NULL);

			n += (size_t)snprintf(
				out + n, sizeof(out) - n,
				" [%s/%s %s %s %s:%s:%lld:%s]",
				json_str(s, "command", NULL),
				json_str(s, "mode", NULL),
				json_str(s, "rule", NULL), user ? user : "-",
				json_is_null(alive)   ? "?"
				: json_is_true(alive) ? "yes"
						      : "no",
				json_str(s, "state", NULL),
				json_integer_value(json_object_get(s, "age")),
				json_str(s, "by", NULL));
		}
	}
	return out;
}

static const json_t *first(const json_t *rows)
{
	return json_array_get(
		json_at(json_array_get(rows, 0), "sessions", NULL), 0);
}

/* clang-format off: objects in a row */
/* --- KT Connect's --------------------------------------------------------- */

static void exchanged_by_kt(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[" POD("web-kt-exchange-abcde", "shadow-exchange", "X",
		     "'kt-user': 'ann', 'kt-config': 'service=web', " BEAT(
			     "999800"),
		     KTS) "]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/selector all ann "
			    "yes:beating:200:heartbeat]");
	assert_string_equal(json_str(first(f.rows), "program", NULL),
			    "kt-connect");
	assert_string_equal(json_str(first(f.rows), "since", NULL),
			    "1970-01-12T13:00:00Z");
	assert_true(json_is_null(json_object_get(first(f.rows), "machine")));
	fixture_fini(&f);
}

/* Two users, each with a shadow behind a Service that does not name him; the
 * router's heartbeat has stopped with its first user */
static void meshed_by_kt(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" TAKEN("web", "router", "R") "," OWN(
		     "web-kt-stuntman", FRESH,
		     "'app': 'web'") "," OWN("web-kt-mesh-a1", FRESH,
					     "'kt-role': 'shadow-mesh', "
					     "'kt-target': "
					     "'A'") "," OWN("web-kt-mesh-b2",
							    FRESH,
							    "'kt-role': "
							    "'shadow-mesh', "
							    "'kt-target': "
							    "'B'") "]",
	     "[" POD("web-kt-router", "router", "R",
		     "'kt-user': 'ann', 'kt-config': 'service=web', " OLD,
		     KTS) "," POD("web-kt-mesh-a1", "shadow-mesh", "A",
				  "'kt-user': 'ann', " FRESH,
				  KTS) "," POD("web-kt-mesh-b2", "shadow-mesh",
					       "B", "'kt-user': 'bob', " OLD,
					       KTS) "]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web meshed [mesh/auto *=a1 ann "
			    "yes:beating:10:heartbeat] [mesh/auto *=b2 bob "
			    "yes:beating:10:heartbeat]");
	fixture_fini(&f);
}

static void meshed_by_hand(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" SERVICE("web", "", "'app': 'web'") "]",
	     "[{" META("web-kt-mesh-v1",
		       KT ", 'kt-role': 'shadow-mesh', 'app': 'web', "
			  "'version': 'v1'",
		       "'kt-user': 'ann', " OLD) ", " KTS "}]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web meshed [mesh/manual label:version=v1 ann "
			    "no:silent:1000:heartbeat]");
	fixture_fini(&f);
}

static void scaled_away(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" SERVICE("web", "", "'app': 'web'") "]",
	     "[{" META("web-kt-exchange-abcde",
		       KT ", 'kt-role': 'shadow-exchange', 'app': 'web'",
		       "'kt-user': 'ann', 'kt-config': "
		       "'app=web,replicas=2', " FRESH) ", " KTS "}]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/scale all ann "
			    "yes:beating:10:heartbeat]");
	fixture_fini(&f);
}

static void previewing(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" OWN("new", FRESH,
		     "'kt-role': 'shadow-preview', 'kt-target': 'P'") "]",
	     "[" POD("new-kt-abcde", "shadow-preview", "P",
		     "'kt-user': 'ann', " FRESH, KTS) "]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "new previewing [preview/preview all ann "
			    "yes:beating:10:heartbeat]");
	fixture_fini(&f);
}

/* --useShadowDeployment: all that is known of the user is on the Deployment */
static void deployments(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[{" META("web-kt-exchange-abcde-1-2",
		       "'kt-role': 'shadow-exchange', 'kt-target': 'X'",
		       "") ", " OURS "}]",
	     "[{" META(
		     "web-kt-exchange-abcde", KT,
		     "'kt-user': 'ann', 'kt-machine': 'm1', 'kt-since': "
		     "'900000', " FRESH) ", 'spec': {'template': {'metadata': "
					 "{'labels': {'kt-target': "
					 "'X'}}, 'spec': {'containers': "
					 "[{'name': 'standalone', 'args': "
					 "['--listen', '1']}]}}}}]",
	     NULL);
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/selector all ann "
			    "yes:beating:10:heartbeat]");
	assert_string_equal(json_str(first(f.rows), "machine", NULL), "m1");
	assert_string_equal(json_str(first(f.rows), "since", NULL),
			    "1970-01-11T10:00:00Z");
	fixture_fini(&f);
	/* who may not list them has no name, and no heartbeat to go by */
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[{" META("web-kt-exchange-abcde-1-2",
		       "'kt-role': 'shadow-exchange', 'kt-target': 'X'",
		       "") ", " OURS "}]",
	     NULL, NULL);
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/selector all - "
			    "?:unknown:0:nothing]");
	fixture_fini(&f);
}

/* --- ours ----------------------------------------------------------------- */

#define CLIENTS(list) "{'shop/web-kt-router': {'clients': [" list "]}}"
#define CLIENT(away, rules)                                                    \
	"{'inbound': true, 'away': " away ", 'user': 'x', 'rules': [" rules "]}"
#define RECORD(user, match)                                                    \
	OWN("web-kt-mesh-" user,                                               \
	    "'kt-user': '" user                                                \
	    "', 'kt-config': 'service=web', 'kt-match': '" match "', " FRESH,  \
	    "'kt-role': 'shadow-mesh', 'kt-target': 'nowhere" user "'")

/* Each by his rule, whatever the heartbeats say */
static void meshed_and_asked(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" TAKEN("web", "router", "R") "," RECORD(
		     "ann",
		     "header:version="
		     "ann") "," RECORD("bob",
				       "header:version="
				       "bob") "," RECORD("cid",
							 "path:/cid") "]",
	     "[" POD("web-kt-router", "router", "R", FRESH, OURS) "]", "[]",
	     CLIENTS(CLIENT("-1", "'header:version=ann'") "," CLIENT(
		     "7", "'header:version=bob'")));
	assert_string_equal(
		told(f.rows),
		"web meshed [mesh/auto header:version=ann ann "
		"yes:connected:0:shadow] [mesh/auto header:version=bob bob "
		"no:away:7:shadow] [mesh/auto path:/cid cid "
		"no:absent:0:shadow]");
	fixture_fini(&f);
}

#define MEMBER(name, notes)                                                    \
	"{" META("web-kt-mesh-" name, KT ", 'kt-env': 'dev." name "'",         \
		 "'kt-user': '" name "', 'kt-config': 'service=web', "         \
		 "'kt-match': 'env:dev." name                                  \
		 "', " notes) ", 'spec': {"                                    \
			      "'selector': {'kt-role': 'shadow-mesh', "        \
			      "'kt-target': 'n" name "'}}}"

/* One in the cluster needs nobody who is connected */
static void members_of_environments(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" TAKEN("web", "router", "R") "," MEMBER(
		     "ann",
		     "'kt-env-member'"
		     ": 'image i:1', "
		     "'kt-expires': "
		     "'0'") "," MEMBER("bob",
				       "'kt-env-member': 'service other', "
				       "'kt-expires': '1'") "," MEMBER("cid",
								       "'kt-"
								       "env-"
								       "member'"
								       ": "
								       "'local'"
								       ","
								       " " FRESH) "]",
	     "[" POD("web-kt-router", "router", "R", FRESH, OURS) "]", "[]",
	     CLIENTS(CLIENT("-1", "'env:dev.cid'")));
	assert_string_equal(told(f.rows),
			    "web meshed [env/image env:dev.ann ann "
			    "yes:living:0:environment] [env/service "
			    "env:dev.bob bob no:ended:0:environment] "
			    "[env/local env:dev.cid cid "
			    "yes:connected:0:shadow]");
	fixture_fini(&f);
}

/* Who only gets copies is no less there, and it is told */
static void copied_and_asked(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" TAKEN("web", "router", "R") "," OWN(
		     "web-kt-mesh-ann",
		     "'kt-user': 'ann', 'kt-config': 'service=web', "
		     "'kt-match': 'all', 'kt-copy': '10', " FRESH,
		     "'kt-role': 'shadow-mesh', 'kt-target': 'no'") "]",
	     "[" POD("web-kt-router", "router", "R", FRESH, OURS) "]", "[]",
	     CLIENTS(CLIENT("-1", "'all'")));
	assert_string_equal(told(f.rows),
			    "web meshed [mesh/auto copy=10 all ann "
			    "yes:connected:0:shadow]");
	fixture_fini(&f);
}

/* An outbound connection, as of a probe, is not the user's */
static void exchanged_and_asked(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[" POD("web-kt-router", "shadow-exchange", "X",
		     "'kt-user': 'ann', " FRESH, OURS) "]",
	     "[]", CLIENTS("{'inbound': false, 'away': -1, 'rules': []}"));
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/selector all ann "
			    "no:absent:0:shadow]");
	fixture_fini(&f);
}

/* Killed on this machine: no heartbeat and no grace time says otherwise */
static void killed(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[" POD("web-kt-router", "shadow-exchange", "X",
		     "'kt-user': 'ann', 'kt-owner': 'dead', " FRESH, OURS) "]",
	     "[]", CLIENTS(CLIENT("3", "")));
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/selector all ann "
			    "no:killed:0:owner]");
	fixture_fini(&f);
}

static void its_pod_is_gone(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" TAKEN("a", "shadow-exchange", "X") "," TAKEN(
		     "b", "router",
		     "Y") "," OWN("c", FRESH,
				  "'kt-role': 'shadow-preview', 'kt-target': "
				  "'Z'") "]",
	     "[]", "[]", NULL);
	assert_string_equal(told(f.rows),
			    "a exchanged [exchange/selector all - "
			    "no:gone:0:pod]; b meshed [mesh/auto unknown - "
			    "no:gone:0:pod]; c previewing [preview/preview all "
			    "- no:gone:0:pod]");
	fixture_fini(&f);
}

static void routes(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f,
	     "[" SERVICE("web", "", "'app': 'web'") "," OWN(
		     "web-kt-mesh-ann",
		     "'kt-user': 'ann', 'kt-config': 'service=web', "
		     "'kt-match': 'header:version=ann', 'kt-route': "
		     "'istio', " FRESH,
		     "'kt-role': 'shadow-mesh', 'kt-target': 'T'") "]",
	     "[" POD("web-kt-mesh-ann", "shadow-mesh", "T",
		     "'kt-user': 'ann', " FRESH, OURS) "]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web meshed [mesh/manual header:version=ann ann "
			    "yes:beating:10:heartbeat]");
	assert_string_equal(json_str(first(f.rows), "route", NULL), "istio");
	fixture_fini(&f);
}

#define INJECTED(name, run)                                                    \
	"{" META(name, "'app': 'web'",                                         \
		 "") ", 'spec': {'containers': [{"                             \
		     "'name': 'c'}], 'ephemeralContainers': [{'name': "        \
		     "'kt-exchange-abcde', 'env': [{'name': 'SHADOW_USER', "   \
		     "'value': "                                               \
		     "'ann'}]}]}, 'status': {'phase': 'Running', "             \
		     "'ephemeralContainerStatuses': [{'name': "                \
		     "'kt-exchange-abcde', "                                   \
		     "'state': {" run "}}]}}"

static void injected(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" SERVICE("web", "", "'app': 'web'") "]",
	     "[" INJECTED("web-1", "'running': {}") "," INJECTED(
		     "web-2", "'running': {}") "]",
	     "[]", NULL);
	assert_string_equal(told(f.rows),
			    "web exchanged [exchange/ephemeral all ann "
			    "yes:running:0:pod]");
	fixture_fini(&f);
	look(&f, "[" SERVICE("web", "", "'app': 'web'") "]",
	     "[" INJECTED("web-1", "'terminated': {'exitCode': 0}") "]", "[]",
	     NULL);
	assert_string_equal(told(f.rows), "web normal");
	assert_false(rows_wants_pod(json_array_get(f.pods, 0)));
	fixture_fini(&f);
}

/* While one Pod takes the place of another both have the target */
static void a_successor_counts(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	look(&f, "[" TAKEN("web", "shadow-exchange", "X") "]",
	     "[" POD("new", "shadow-exchange", "X", "'kt-user': 'new', " FRESH,
		     OURS) ",{'metadata': {'name': 'old', 'namespace': "
			   "'shop', 'deletionTimestamp': "
			   "'1970-01-12T13:00:00Z', 'labels': {" KT
			   ", 'kt-role': 'shadow-exchange', 'kt-target': 'X'}, "
			   "'annotations': {'kt-user': 'old', " FRESH
			   "}}, " OURS "}]",
	     "[]", NULL);
	assert_string_equal(json_str(first(f.rows), "user", NULL), "new");
	fixture_fini(&f);
}

/* --- the whole ------------------------------------------------------------ */

static void orders(void **state)
{
	struct fixture f = { 0 };
	const char *services = "[" SERVICE("b", "", "'app': 'b'") "," SERVICE(
		"a", "",
		"'app': 'a'") "," TAKEN("z", "shadow-exchange",
					"X") "," OWN("b-kt-stuntman", "",
						     "'app': 'b'") "," SERVICE("none",
									       "",
									       "") "]";

	(void)state;
	look(&f, services, "[]", "[]", NULL);
	assert_string_equal(told(f.rows),
			    "z exchanged [exchange/selector all - "
			    "no:gone:0:pod]; a normal; b normal; none normal");
	fixture_fini(&f);
	f = (struct fixture){ .in.by_name = true };
	look(&f, services, "[]", "[]", NULL);
	assert_string_equal(told(f.rows),
			    "a normal; b normal; none normal; z exchanged "
			    "[exchange/selector all - no:gone:0:pod]");
	fixture_fini(&f);
	f = (struct fixture){ .in.hide_natural = true };
	look(&f, services, "[]", "[]", NULL);
	assert_string_equal(told(f.rows),
			    "z exchanged [exchange/selector all - "
			    "no:gone:0:pod]");
	fixture_fini(&f);
}

static void connectors(void **state)
{
	struct fixture f = { 0 };
	json_t *list;

	(void)state;
	look(&f, "[]",
	     "[" POD("kt-connect-shadow-daemon", "shadow-connect", "D",
		     "'kt-user': 'zoe', " FRESH,
		     OURS) "," POD("kt-connect-shadow-abcde", "shadow-connect",
				   "C",
				   "'kt-user': "
				   "'ann', 'kt-machine': 'm', " OLD,
				   KTS) "]",
	     "[]",
	     "{'shop/kt-connect-shadow-daemon': {'clients': ["
	     "{'inbound': false, 'away': -1}, {'inbound': false, 'away': -1}, "
	     "{'inbound': false, 'away': 5}]}}");
	list = rows_connectors(&f.in);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_str(json_array_get(list, 0), "command", NULL),
			    "connect");
	assert_string_equal(json_str(json_array_get(list, 0), "user", NULL),
			    "ann");
	assert_string_equal(json_str(json_array_get(list, 0), "state", NULL),
			    "silent");
	assert_true(json_is_null(
		json_object_get(json_array_get(list, 0), "clients")));
	assert_true(json_is_true(
		json_object_get(json_array_get(list, 1), "shared")));
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(list, 1), "clients")),
			 2);
	assert_string_equal(json_str(json_array_get(list, 1), "state", NULL),
			    "connected");
	json_decref(list);
	fixture_fini(&f);
}

/* A shadow that many use knows them by name; a forward is none that connects */
static void users_of_shadows(void **state)
{
	struct fixture f = { 0 };
	json_t *list, *want;

	(void)state;
	look(&f, "[]",
	     "[" POD("ktctl-shadow-0", "shadow-connect", "S", "", OURS) "," POD(
		     "kt-connect-shadow-fffff", "shadow-connect", "F",
		     "'kt-user': 'ann', 'kt-command': 'forward', " FRESH,
		     OURS) "]",
	     "[]",
	     "{'shop/ktctl-shadow-0': {'clients': ["
	     "{'inbound': false, 'away': -1, 'command': 'connect', "
	     "'user': 'bob', 'machine': 'box'}, "
	     "{'inbound': false, 'away': -1, 'user': ''}, "
	     "{'inbound': true, 'away': -1, 'user': 'eve'}, "
	     "{'inbound': false, 'away': 3, 'command': 'connect', "
	     "'user': 'zoe', 'machine': 'm'}]}}");
	list = rows_connectors(&f.in);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_str(json_array_get(list, 1), "command", NULL),
			    "forward");
	want = json_quoted("[{'command': 'connect', 'user': 'bob', "
			   "'machine': 'box'}, {'command': null, 'user': null, "
			   "'machine': null}]");
	assert_true(json_equal(
		json_object_get(json_array_get(list, 0), "users"), want));
	json_decref(want);
	json_decref(list);
	fixture_fini(&f);
}

/* clang-format on */
/* --- answers -------------------------------------------------------------- */

#define HEAD(n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n"

static void answers(void **state)
{
	static const char good[] =
		HEAD("84") "shadow 0.4.0\nclient in here Ann%20B\n"
			   "rule 80 all\nclient out 12\n"
			   "who forward bob box\nx\n";
	static const char *const bad[] = {
		"",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"SSH-2.0-OpenSSH_8.9\r\n",
		HEAD("9") "client x\n",
		HEAD("70") "shadow 1\n", /* cut off */
		"HTTP/1.1 200 OK\r\n\r\nshadow 1\n",
		HEAD("99999999") "shadow 1\n",
	};
	json_t *a = ask_answer(good, strlen(good)), *want;

	(void)state;
	assert_non_null(a);
	want = json_quoted("{'version': '0.4.0', 'clients': [{'inbound': true, "
			   "'away': -1, 'user': 'Ann B', 'rules': ['all']}, "
			   "{'inbound': false, 'away': 12, 'user': 'bob', "
			   "'command': 'forward', 'machine': 'box', "
			   "'rules': []}]}");
	assert_true(json_equal(a, want));
	json_decref(want);
	json_decref(a);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(ask_answer(bad[i], strlen(bad[i])));
}

/* A name in Latin-1: the client is there, and its rules are its own */
static void answers_in_any_bytes(void **state)
{
	static const char text[] =
		HEAD("120") "shadow 1%FF\n"
			    "client in here ann\nrule 80 all\n"
			    "client in 7 J%FCrg\nrule 81 header:v=%E4\n"
			    "client out here\nwho connect %80 b%C3\n";
	json_t *a = ask_answer(text, strlen(text)), *want;

	(void)state;
	assert_non_null(a);
	want = json_quoted(
		"{'version': '1\\\\xff', 'clients': [{'inbound': true, 'away': "
		"-1, 'user': 'ann', 'rules': ['all']}, {'inbound': true, "
		"'away': 7, 'user': 'J\\\\xfcrg', 'rules': "
		"['header:v=%E4']}, {'inbound': false, 'away': -1, 'user': "
		"'\\\\x80', 'command': 'connect', 'machine': 'b\\\\xc3', "
		"'rules': []}]}");
	assert_true(json_equal(a, want));
	json_decref(want);
	json_decref(a);
}

static void asked_are_ours_that_run(void **state)
{
	json_t *pods =
		json_quoted("[" POD("a", "router", "R", "", OURS) "," POD(
			"b", "router", "R", "",
			KTS) ",{'spec': {'containers': [{'name': 'standalone', "
			     "'args': ['--listen', '1']}]}, 'status': "
			     "{'phase': 'Pending'}}]");

	(void)state;
	assert_int_equal(ask_port(json_array_get(pods, 0)), 18023);
	assert_int_equal(ask_port(json_array_get(pods, 1)), 0);
	assert_int_equal(ask_port(json_array_get(pods, 2)), 0);
	json_decref(pods);
}

static void yaml_is_the_same(void **state)
{
	json_t *v = json_quoted(
		"{'a': 1, 'b': [], 'c': {}, 'd': [{'x': null, 'y': [true, "
		"[1, 2]]}, 'no', '- x: \\u0007 \\u00e9', {}], 'e': {'f': "
		"{'g': '1'}}}");
	struct kt_error err = { 0 };
	struct buf b;
	json_t *got;

	(void)state;
	buf_init(&b, 65536);
	assert_int_equal(yaml_write(&b, v), 0);
	got = yaml_parse((char *)buf_data(&b), b.len, "view", &err);
	if (!got || !json_equal(got, v))
		fail_msg("%s: %.*s", err.msg, (int)b.len, (char *)buf_data(&b));
	json_decref(got);
	json_decref(v);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanged_by_kt),
		cmocka_unit_test(meshed_by_kt),
		cmocka_unit_test(meshed_by_hand),
		cmocka_unit_test(scaled_away),
		cmocka_unit_test(previewing),
		cmocka_unit_test(deployments),
		cmocka_unit_test(meshed_and_asked),
		cmocka_unit_test(members_of_environments),
		cmocka_unit_test(copied_and_asked),
		cmocka_unit_test(exchanged_and_asked),
		cmocka_unit_test(killed),
		cmocka_unit_test(its_pod_is_gone),
		cmocka_unit_test(routes),
		cmocka_unit_test(injected),
		cmocka_unit_test(a_successor_counts),
		cmocka_unit_test(orders),
		cmocka_unit_test(connectors),
		cmocka_unit_test(users_of_shadows),
		cmocka_unit_test(answers),
		cmocka_unit_test(answers_in_any_bytes),
		cmocka_unit_test(asked_are_ours_that_run),
		cmocka_unit_test(yaml_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

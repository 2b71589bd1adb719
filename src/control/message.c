/* SPDX-License-Identifier: Apache-2.0 */
#include "control/message.h"

#include "base/mem.h"
#include "base/str.h"
#include "control/eventjson.h"
#include "kube/rest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const message_states[] = {
	"starting", "up",      "partial", "silent",
	"lost",	    "leaving", "stopped", "hung",
};

/* T: text, t: text or null, n: number of something, o: object or null, a: array
 */
static const struct {
	const char *name;
	char type;
} message_members[] = {
	{ "id", 'T' },	       { "pid", 'n' },	     { "command", 'T' },
	{ "target", 't' },     { "context", 't' },   { "namespace", 't' },
	{ "since", 't' },      { "state", 'T' },     { "probe", 'o' },
	{ "bytes_in", 'n' },   { "bytes_out", 'n' }, { "streams", 'n' },
	{ "reconnects", 'n' }, { "last_loss", 'o' }, { "copies", 'o' },
	{ "log", 't' },	       { "faults", 'a' },
};

/* --- requests ------------------------------------------------------------- */

char *message_request(enum message_ask ask, int64_t since)
{
	if (ask == MESSAGE_EVENTS)
		return xasprintf("{\"version\": 1, \"ask\": \"events\", "
				 "\"since\": %" PRId64 "}\n",
				 since);
	return xasprintf("{\"version\": 1, \"ask\": \"%s\"}\n",
			 ask == MESSAGE_LEAVE ? "leave" : "status");
}

static json_t *message_parse(const char *line, size_t len, struct kt_error *err)
{
	auto_json json_t *obj =
		json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *version = json_object_get(obj, "version");

	if (!json_is_object(obj)) {
		kt_fail(err, EPROTO, "no object in JSON");
		return NULL;
	}
	if (!json_is_integer(version)) {
		kt_fail(err, EPROTO, "no version is named");
		return NULL;
	}
	if (json_integer_value(version) != MESSAGE_VERSION) {
		kt_fail(err, EPROTO,
			"version %" JSON_INTEGER_FORMAT " of the control "
			"protocol is spoken, not %d",
			json_integer_value(version), MESSAGE_VERSION);
		return NULL;
	}
	return steal_ptr(&obj);
}

static bool message_is_since(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0 &&
	       json_integer_value(v) <= MESSAGE_SINCE_MAX;
}

int message_read_request(enum message_ask *ask, int64_t *since,
			 const char *line, size_t len, struct kt_error *err)
{
	auto_json json_t *obj = message_parse(line, len, err);
	const char *word = json_string_value(json_object_get(obj, "ask"));
	const json_t *seconds = json_object_get(obj, "since");

	*since = json_integer_value(seconds);
	if (!obj)
		return -EPROTO;
	if (json_object_size(obj) == 2 && str_eq(word, "status"))
		*ask = MESSAGE_STATUS;
	else if (json_object_size(obj) == 2 && str_eq(word, "leave"))
		*ask = MESSAGE_LEAVE;
	else if (json_object_size(obj) == 3 && str_eq(word, "events") &&
		 message_is_since(seconds))
		*ask = MESSAGE_EVENTS;
	else
		return kt_fail(err, EPROTO, "asks for nothing that is known");
	return 0;
}

/* --- sessions ------------------------------------------------------------- */

json_t *message_session(const char *command, pid_t pid, const char *state)
{
	auto_free char *id = xasprintf("%s-%d", command, (int)pid);

	return json_pack("{s:s,s:i,s:s,s:n,s:n,s:n,s:n,s:s,s:n,s:i,s:i,s:i,s:i,"
			 "s:n,s:n,s:n,s:[]}",
			 "id", id, "pid", (int)pid, "command", command,
			 "target", "context", "namespace", "since", "state",
			 state, "probe", "bytes_in", 0, "bytes_out", 0,
			 "streams", 0, "reconnects", 0, "last_loss", "copies",
			 "log", "faults");
}

static bool message_is_count(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool message_is_probe(const json_t *v)
{
	return json_is_null(v) ||
	       (json_object_size(v) == 2 &&
		message_is_count(json_object_get(v, "age_us")) &&
		message_is_count(json_object_get(v, "latency_us")));
}

static bool message_is_loss(const json_t *v)
{
	return json_is_null(v) ||
	       (json_object_size(v) == 2 &&
		json_is_string(json_object_get(v, "reason")) &&
		json_is_string(json_object_get(v, "at")));
}

static bool message_is_copies(const json_t *v)
{
	return json_is_null(v) ||
	       (json_object_size(v) == 2 &&
		message_is_count(json_object_get(v, "sent")) &&
		message_is_count(json_object_get(v, "dropped")));
}

static bool message_are_faults(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_object_size(v) != 2 ||
		    !json_is_string(json_object_get(v, "fault")) ||
		    !message_is_count(json_object_get(v, "hits")))
			return false;
	return true;
}

static bool message_is_state(const json_t *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(message_states); i++)
		if (str_eq(json_string_value(v), message_states[i]))
			return true;
	return false;
}

static bool message_fits(const json_t *v, char type)
{
	switch (type) {
	case 'T':
		return json_is_string(v);
	case 't':
		return json_is_string(v) || json_is_null(v);
	case 'n':
		return message_is_count(v);
	case 'a':
		return json_is_array(v);
	default:
		return json_is_object(v) || json_is_null(v);
	}
}

bool message_is_session(const json_t *s)
{
	if (json_object_size(s) != ARRAY_SIZE(message_members))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(message_members); i++)
		if (!message_fits(json_object_get(s, message_members[i].name),
				  message_members[i].type))
			return false;
	return message_is_state(json_object_get(s, "state")) &&
	       message_is_probe(json_object_get(s, "probe")) &&
	       message_is_loss(json_object_get(s, "last_loss")) &&
	       message_is_copies(json_object_get(s, "copies")) &&
	       message_are_faults(json_object_get(s, "faults"));
}

/* --- answers -------------------------------------------------------------- */

int message_read_answer(struct message_answer *a, const char *line, size_t len,
			struct kt_error *err)
{
	auto_json json_t *obj = message_parse(line, len, err);
	json_t *v;

	*a = (struct message_answer){ 0 };
	if (!obj)
		return -EPROTO;
	if (json_object_size(obj) != 2)
		return kt_fail(err, EPROTO, "the answer is not understood");
	v = json_object_get(obj, "error");
	if (json_is_string(v))
		return kt_fail(err, EREMOTEIO, "%s", json_string_value(v));
	v = json_object_get(obj, "session");
	if (v && message_is_session(v)) {
		a->kind = MESSAGE_SESSION;
		a->session = json_incref(v);
		return 0;
	}
	v = json_object_get(obj, "event");
	if (v && eventjson_is(v)) {
		a->kind = MESSAGE_EVENT;
		a->session = json_incref(v);
		return 0;
	}
	a->kind = MESSAGE_FOLLOWING;
	if (json_is_true(json_object_get(obj, "following")))
		return 0;
	a->kind = MESSAGE_LEAVING;
	if (json_is_true(json_object_get(obj, "leaving")))
		return 0;
	a->kind = MESSAGE_ENDED;
	v = json_object_get(obj, "ended");
	a->status = (int)json_integer_value(v);
	if (message_is_count(v) && json_integer_value(v) < 256)
		return 0;
	return kt_fail(err, EPROTO, "the answer is not understood");
}

char *message_line(const char *name, json_t *value)
{
	auto_json json_t *obj =
		json_pack("{s:i,s:o}", "version", MESSAGE_VERSION, name, value);
	auto_free char *text = json_dumps(obj, JSON_COMPACT);

	return xasprintf("%s\n", text ? text : "{}");
}

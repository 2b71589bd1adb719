/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/session.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "wire/clientline.h"

#include <string.h>

static void session_set(json_t *row, const char *key, const char *text)
{
	json_object_set_new(row, key, text ? json_string(text) : json_null());
}

static const json_t *session_holder(const struct session_facts *f)
{
	if (f->record && object_annotation(f->record, KT_ANNOTATION_HEARTBEAT))
		return f->record;
	return f->deployment ? f->deployment : f->pod;
}

/* KT Connect says whose a mesh is on the Pod behind the record */
static const char *session_note(const struct session_facts *f, const char *key)
{
	const json_t *from[] = { f->record, f->deployment, f->pod };

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		const char *text =
			from[i] ? object_annotation(from[i], key) : NULL;

		if (text)
			return text;
	}
	return NULL;
}

/* When it began; what it has made may have been made anew since */
static void session_set_since(json_t *row, const struct session_facts *f)
{
	const char *text = session_note(f, KT_ANNOTATION_SINCE);
	char since[RFC3339_STRLEN];
	long at;

	if (text && str_to_long(text, &at) == 0 && at > 0)
		session_set(row, "since", rfc3339_format(at, since));
	else
		session_set(row, "since",
			    json_str(session_holder(f), "metadata",
				     "creationTimestamp", NULL));
}

static const json_t *session_answer(const struct rows_input *in,
				    const json_t *pod)
{
	auto_free char *key = pod ? object_key(pod) : NULL;

	return key ? json_object_get(in->answers, key) : NULL;
}

static void session_fill(json_t *row, const struct session_facts *f)
{
	const json_t *of = f->pod ? f->pod : session_holder(f);

	session_set(row, "user", session_note(f, KT_ANNOTATION_USER));
	session_set(row, "machine", session_note(f, KT_ANNOTATION_MACHINE));
	session_set_since(row, f);
	session_set(row, "program",
		    of ? object_is_of_ktctl(of) ? "ktctl" : "kt-connect"
		       : NULL);
	session_set(row, "pod", f->pod ? object_name(f->pod) : NULL);
}

/* A member in the cluster has no client: it lives as its environment does */
static bool session_is_led(const struct session_facts *f)
{
	return f->record && object_label(f->record, KT_LABEL_ENV) &&
	       !object_annotation(f->record, KT_ANNOTATION_HEARTBEAT);
}

static void session_judge_led(json_t *row, const struct rows_input *in,
			      const json_t *record)
{
	bool ended = envobject_has_expired(record, in->life.now);

	life_set(row, !ended, ended ? "ended" : "living", -1, "environment");
}

json_t *session_row(const struct rows_input *in, const struct session_facts *f)
{
	json_t *row = json_pack("{s:s,s:s,s:s?,s:s}", "command", f->command,
				"mode", f->mode, "route", f->route, "rule",
				f->rule ? f->rule : "all");
	const struct life_facts facts = {
		.holder = session_holder(f),
		.answer = session_answer(in, f->pod),
		.inbound = true,
		.match = f->match,
	};

	session_fill(row, f);
	if (session_is_led(f))
		session_judge_led(row, in, f->record);
	else if (!facts.holder)
		life_set(row, 0, "gone", -1, "pod");
	else
		life_judge(row, &in->life, &facts);
	return row;
}

/* How many use a shared shadow: it knows, the count in the annotation is what
 * clients have written who may be dead */
static json_t *session_clients(const json_t *answer)
{
	json_int_t n = 0;
	const json_t *c;
	size_t i;

	if (!answer)
		return json_null();
	json_array_foreach (json_object_get(answer, "clients"), i, c)
		n += !json_is_true(json_object_get(c, "inbound")) &&
		     json_integer_value(json_object_get(c, "away")) ==
			     CLIENTLINE_HERE;
	return json_integer(n);
}

static void session_copy(json_t *to, const json_t *from, const char *key)
{
	const char *text = json_str(from, key, NULL);

	session_set(to, key,
		    text && *text && strcmp(text, "-") != 0 ? text : NULL);
}

/* Who is connected now, as each says of itself; an older ktctl does not */
static json_t *session_users(const json_t *answer)
{
	json_t *list = json_array();
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(answer, "clients"), i, c) {
		json_t *user;

		if (json_is_true(json_object_get(c, "inbound")) ||
		    json_integer_value(json_object_get(c, "away")) !=
			    CLIENTLINE_HERE)
			continue;
		user = json_object();
		session_copy(user, c, "command");
		session_copy(user, c, "user");
		session_copy(user, c, "machine");
		json_array_append_new(list, user);
	}
	return list;
}

/* What one's own Pod says it is for; of a shared one each user says it */
static const char *session_command(const struct session_facts *f,
				   const json_t *users, bool shared)
{
	const char *said = session_note(f, KT_ANNOTATION_COMMAND);

	if (!said && !shared)
		said = json_str(json_array_get(users, 0), "command", NULL);
	return said ? said : "connect";
}

json_t *session_connector(const struct rows_input *in, const json_t *pod,
			  const json_t *deployment)
{
	const struct session_facts f = { .pod = pod, .deployment = deployment };
	const struct life_facts facts = {
		.holder = session_holder(&f),
		.answer = session_answer(in, pod),
	};
	const json_t *of = deployment ? deployment : pod;
	bool shared = str_eq(object_name(of), KT_SHARED_SHADOW);
	json_t *row = json_pack("{s:s*}", "namespace",
				json_str(of, "metadata", "namespace", NULL));
	json_t *users = session_users(facts.answer);

	session_fill(row, &f);
	session_set(row, "command", session_command(&f, users, shared));
	json_object_set_new(row, "shared", json_boolean(shared));
	json_object_set_new(row, "clients", session_clients(facts.answer));
	json_object_set_new(row, "users", users);
	life_judge(row, &in->life, &facts);
	return row;
}

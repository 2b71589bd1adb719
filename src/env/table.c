/* SPDX-License-Identifier: Apache-2.0 */
#include "env/table.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/job.h"
#include "env/name.h"
#include "kube/rest.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>

#define TABLE_LOCAL "-" /* HOST of a member on somebody's machine */

json_t *env_table_live(const json_t *jobs, int64_t now)
{
	json_t *live = json_object();
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		struct env_info info;

		if (env_info_read(&info, job) == 0 &&
		    env_info_is_alive(&info, now))
			json_object_set_new(
				live, info.name,
				json_pack("{s:I,s:s,s:s,s:s*}", "expires",
					  (json_int_t)info.expires, "flags",
					  info.strict ? "strict" : "-", "uid",
					  info.uid, "header",
					  info.header[0] ? info.header : NULL));
		env_info_fini(&info);
	}
	return live;
}

static bool table_is_environments(const json_t *ref)
{
	const char *name = json_str(ref, "name", NULL);

	return name && str_eq(json_str(ref, "kind", NULL), "Job") &&
	       str_starts(name, KT_ENV_PREFIX);
}

bool env_table_lives(const json_t *live, const json_t *obj)
{
	const char *env = object_label(obj, KT_LABEL_ENV);
	const json_t *is = env ? json_object_get(live, env) : NULL, *ref;
	size_t i;

	if (!is || object_is_owned(obj, json_str(is, "uid", NULL)))
		return is != NULL;
	json_array_foreach (json_at(obj, "metadata", "ownerReferences", NULL),
			    i, ref)
		if (table_is_environments(ref))
			return false; /* an earlier one of that name */
	return true;
}

/* --- lines ---------------------------------------------------------------- */

static const char *table_flags(const json_t *env)
{
	return json_str(env, "flags", NULL);
}

static json_int_t table_expires(const json_t *env)
{
	return json_integer_value(json_object_get(env, "expires"));
}

static int table_put_member(struct buf *b, const char *name, const json_t *env,
			    const char *service, const char *host,
			    const char *more)
{
	return buf_printf(b, "member %s %s %s %lld %s%s%s\n", name, service,
			  host, (long long)table_expires(env), table_flags(env),
			  *more ? " " : "", more);
}

/* What stands behind the flags of a member's line (returned, caller frees) */
static char *table_more(const struct env_table_change *change)
{
	const char *join = change->join, *source = change->source;

	return xasprintf("%s%s%s%s%s", join ? "join=" : "", join ? join : "",
			 join && source ? " " : "", source ? "source=" : "",
			 source ? source : "");
}

static char *table_more_of(const struct strv *words)
{
	const size_t skip = MIN(words->n, 6u);
	const struct strv more = { .v = words->v + skip, .n = words->n - skip };

	return strv_join(&more, " ");
}

static int table_put_env(struct buf *b, const char *name, const json_t *env)
{
	const char *header = json_str(env, "header", NULL);
	char source[ENV_SERVICE_MAX];

	return buf_printf(b, "env %s %s %lld %s%s%s\n", name,
			  env_name_service(name, source),
			  (long long)table_expires(env), table_flags(env),
			  header ? " header=" : "", header ? header : "");
}

/* A name begins with the record's; where names are not known it is an address
 */
static bool table_is_host(const json_t *record, const char *host)
{
	const char *name = object_name(record);
	size_t n = strcspn(host, ".");

	return (strlen(name) == n && strncmp(name, host, n) == 0) ||
	       str_eq(json_str(record, "spec", "clusterIP", NULL), host);
}

/* Is there a record of the member? One on a machine is known by its Service,
 * any other by HOST */
static bool table_has_record(const json_t *records, const json_t *live,
			     const char *env, const char *service,
			     const char *host)
{
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		auto_free char *of = env_record_service(record);

		if (!str_eq(object_label(record, KT_LABEL_ENV), env) ||
		    !env_table_lives(live, record))
			continue;
		if (strcmp(host, TABLE_LOCAL) == 0
			    ? str_eq(of, service)
			    : table_is_host(record, host))
			return true;
	}
	return false;
}

/* One that was there: gone, brought up to date, or as it is */
static int table_keep_line(struct buf *b, const char *line, const json_t *live,
			   const struct env_table_change *change)
{
	auto_strv struct strv words = strv_split(line, ' ');
	bool member = words.n >= 4 && str_eq(words.v[0], "member");
	bool env = words.n >= 3 && str_eq(words.v[0], "env");
	auto_free char *more = NULL;
	const json_t *is;

	if (!member && !env) /* a newer ktctl's */
		return words.n ? buf_printf(b, "%s\n", line) : 0;
	is = json_object_get(live, words.v[1]);
	if (!is || (!change->service && !change->put &&
		    str_eq(words.v[1], change->env)))
		return 0;
	if (env)
		return change->put && str_eq(words.v[1], change->env)
			       ? 0
			       : table_put_env(b, words.v[1], is);
	if (str_eq(words.v[1], change->env) &&
	    str_eq(words.v[2], change->service))
		return 0;
	if (change->records &&
	    (!change->env || str_eq(words.v[1], change->env)) &&
	    !table_has_record(change->records, live, words.v[1], words.v[2],
			      words.v[3]))
		return 0;
	more = table_more_of(&words);
	return table_put_member(b, words.v[1], is, words.v[2], words.v[3],
				more);
}

static int table_edit(struct buf *b, const struct strv *lines,
		      const json_t *live, const struct env_table_change *change)
{
	const json_t *env =
		change->put ? json_object_get(live, change->env) : NULL;
	auto_free char *more = table_more(change);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < lines->n; i++)
		rc = table_keep_line(b, lines->v[i], live, change);
	if (rc == 0 && env)
		rc = table_put_env(b, change->env, env);
	if (rc == 0 && env && change->service)
		rc = table_put_member(b, change->env, env, change->service,
				      change->host ? change->host : TABLE_LOCAL,
				      more);
	return rc;
}

/* {"ENV": true} of those with a member */
static json_t *table_with_members(const struct strv *lines)
{
	json_t *envs = json_object();

	for (size_t i = 0; i < lines->n; i++) {
		auto_strv struct strv words = strv_split(lines->v[i], ' ');

		if (words.n >= 4 && str_eq(words.v[0], "member"))
			json_object_set_new(envs, words.v[1], json_true());
	}
	return envs;
}

/* The environment has a member, or one above it, who answers for it */
static bool table_has_answer(const json_t *envs, const char *env)
{
	auto_free char *name = xstrdup(env);

	do
		if (json_object_get(envs, name))
			return true;
	while (envmark_parent(name));
	return false;
}

/* Without the lines of environments that nobody answers for: they would hold
 * the table until the environment ends. How many lines it is, or -errno */
static int table_trim(struct buf *b, const struct strv *lines)
{
	auto_json json_t *envs = table_with_members(lines);
	int n = 0;

	for (size_t i = 0; i < lines->n; i++) {
		auto_strv struct strv words = strv_split(lines->v[i], ' ');
		int rc;

		if (!words.n || (words.n >= 3 && str_eq(words.v[0], "env") &&
				 !table_has_answer(envs, words.v[1])))
			continue;
		rc = buf_printf(b, "%s\n", lines->v[i]);
		if (rc < 0)
			return rc;
		n++;
	}
	return n;
}

static char *table_text(const struct buf *b)
{
	return xstrndup(b->len ? (const char *)buf_data(b) : "", b->len);
}

/* NULL: it needs more than @size */
static char *table_made(const char *text, const json_t *live,
			const struct env_table_change *change, size_t size,
			int *n)
{
	auto_strv struct strv old = strv_split(text, '\n');
	auto_strv struct strv all = { 0 };
	char *made = NULL;
	struct buf b;

	buf_init(&b, 2 * size);
	if (table_edit(&b, &old, live, change) == 0)
		made = table_text(&b);
	buf_fini(&b);
	if (!made)
		return NULL;
	all = strv_split(made, '\n');
	free(made);
	made = NULL;
	buf_init(&b, size);
	*n = table_trim(&b, &all);
	if (*n >= 0)
		made = table_text(&b);
	buf_fini(&b);
	return made;
}

/* The limits are for what is put: whoever leaves makes it smaller */
char *env_table_edit(const char *text, const json_t *live,
		     const struct env_table_change *change,
		     struct kt_error *err)
{
	size_t size = change->put ? ENV_TABLE_SIZE
				  : MAX(ENV_TABLE_SIZE, 2 * strlen(text));
	int n = 0;
	char *out = table_made(text, live, change, size, &n);

	if (out && (!change->put || n <= ENV_TABLE_LINES))
		return out;
	free(out);
	kt_fail(err, ENOSPC,
		"the table of environments (ConfigMap " KT_ENV_TABLE
		") is full: at most %d lines and %zu bytes",
		ENV_TABLE_LINES, ENV_TABLE_SIZE);
	return NULL;
}

/* --- owners --------------------------------------------------------------- */

json_t *env_table_owners(const json_t *old, const char *text,
			 const json_t *live)
{
	auto_strv struct strv lines = strv_split(text, '\n');
	auto_json json_t *seen = json_object();
	json_t *owners = json_array(), *ref;
	size_t i;

	json_array_foreach (old, i, ref)
		if (!table_is_environments(ref))
			json_array_append(owners, ref);
	for (i = 0; i < lines.n; i++) {
		auto_strv struct strv words = strv_split(lines.v[i], ' ');
		const json_t *env =
			words.n > 1 ? json_object_get(live, words.v[1]) : NULL;
		struct env_info info = { 0 };

		if (!env || json_object_get(seen, words.v[1]))
			continue;
		snprintf(info.name, sizeof(info.name), "%s", words.v[1]);
		info.uid = (char *)(uintptr_t)json_str(env, "uid", NULL);
		json_array_append_new(owners, env_owner_ref(&info));
		json_object_set_new(seen, words.v[1], json_true());
	}
	return owners;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/sessions.h"

#include "apply/file.h"
#include "base/mem.h"
#include "control/ask.h"
#include "kube/rest.h"
#include "local/home.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_SIZE ((size_t)256 << 10)
#define APPLIED "--applied="
#define WITH "--with="

/* --- command lines -------------------------------------------------------- */

void apply_session_argv(struct strv *argv, const char *command,
			const char *digest, const char *identity, pid_t with,
			bool debug, const struct strv *flags,
			const struct strv *args)
{
	strv_add(argv, "ktctl");
	strv_add(argv, command);
	strv_add(argv, "--background");
	strv_take(argv, xasprintf(APPLIED "%s:%s", digest, identity));
	if (with)
		strv_take(argv, xasprintf(WITH "%d", (int)with));
	if (debug)
		strv_add(argv, "--debug");
	for (size_t i = 0; i < flags->n; i++)
		strv_add(argv, flags->v[i]);
	strv_add(argv, "--");
	for (size_t i = 0; i < args->n; i++)
		strv_add(argv, args->v[i]);
}

/* The words up to the last NUL */
static struct strv apply_session_words(const char *line, size_t len)
{
	struct strv words = { 0 };
	const char *end;

	for (; len && (end = memchr(line, '\0', len)); line = end + 1) {
		strv_add(&words, line);
		len -= (size_t)(end - line) + 1;
	}
	return words;
}

bool apply_session_read(struct apply_session *s, const char *line, size_t len,
			const char *identity)
{
	auto_strv struct strv w = apply_session_words(line, len);
	const size_t n = APPLY_DIGEST_LEN - 1;
	const char *own;
	size_t i = 4;

	if (w.n < 5 || strcmp(w.v[1], s->command) != 0 ||
	    strcmp(w.v[2], "--background") != 0 || !str_starts(w.v[3], APPLIED))
		return false;
	own = w.v[3] + strlen(APPLIED);
	if (strlen(own) <= n || own[n] != ':' ||
	    strcmp(own + n + 1, identity) != 0)
		return false;
	if (i < w.n && str_starts(w.v[i], WITH)) {
		long pid;

		if (str_to_long(w.v[i++] + strlen(WITH), &pid) == 0 &&
		    pid > 0 && pid <= INT_MAX)
			s->with = (pid_t)pid;
	}
	if (i < w.n && strcmp(w.v[i], "--debug") == 0)
		i++;
	for (; i < w.n && strcmp(w.v[i], "--") != 0; i++)
		strv_add(&s->flags, w.v[i]);
	for (i++; i < w.n; i++)
		strv_add(&s->args, w.v[i]);
	s->digest = xstrndup(own, n);
	s->key = apply_key(s->command, &s->args);
	s->label = apply_label(s->command, &s->args);
	return true;
}

const char *apply_session_down(const char *state)
{
	static const char *const down[] = { "stopped", "hung", "lost",
					    "silent" };

	for (size_t i = 0; i < ARRAY_SIZE(down); i++)
		if (str_eq(state, down[i]))
			return down[i];
	return NULL;
}

/* --- what runs ------------------------------------------------------------ */

/* What another user's process says of itself is not to become a command line of
 * ours, least of all of root's. Whose it is, the kernel says of the socket that
 * it listens at: /proc has root for a set-uid program, whose words are those of
 * who called it. The home is ours, or that of who called sudo: he has made the
 * file and its jobs, and is asked nothing that he could not do himself. */
bool apply_session_is_trusted(const struct home *h, uid_t uid)
{
	return uid == 0 || uid == geteuid() || uid == h->uid;
}

static void apply_session_add(struct apply_sessions *all, const struct home *h,
			      const json_t *from, uid_t uid,
			      const char *identity)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(from, "pid"));
	const char *context = json_str(from, "context", NULL);
	const char *state = json_str(from, "state", NULL);
	auto_free char *line = NULL;
	struct apply_session *s;
	char path[64];
	size_t len = 0;

	all->v = xrealloc(all->v, (all->n + 1) * sizeof(*all->v));
	s = &all->v[all->n++];
	*s = (struct apply_session){
		.id = xstrdup(json_str(from, "id", NULL)),
		.command = xstrdup(json_str(from, "command", NULL)),
		.context = context ? xstrdup(context) : NULL,
		.unsettled =
			str_eq(state, "leaving") || str_eq(state, "starting"),
		.down = apply_session_down(state),
		.pid = pid,
		.uid = uid,
		/* without root it takes a device, which is seen */
		.captures = apply_session_is_trusted(h, uid),
	};
	if (!s->captures)
		return;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	line = file_read(path, LINE_MAX_SIZE, &len);
	if (!line)
		return;
	for (const char *p = line; p < line + len; p += strlen(p) + 1)
		if (str_starts(p, "--disableTunDevice"))
			s->captures = str_ends(p, "=false");
	apply_session_read(s, line, len, identity);
}

int apply_sessions_find(struct apply_sessions *s, struct loop *l,
			const struct home *h, const char *identity,
			struct kt_error *err)
{
	auto_json json_t *list = NULL;
	auto_free uid_t *uids = NULL;
	const json_t *one;
	size_t i;
	int rc = ask_sessions_of(l, h, &list, &uids, err);

	*s = (struct apply_sessions){ 0 };
	if (rc < 0)
		return rc;
	json_array_foreach (list, i, one)
		apply_session_add(s, h, one, uids[i], identity);
	return 0;
}

void apply_sessions_fini(struct apply_sessions *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].id);
		free(s->v[i].command);
		free(s->v[i].context);
		free(s->v[i].digest);
		free(s->v[i].key);
		free(s->v[i].label);
		strv_fini(&s->v[i].flags);
		strv_fini(&s->v[i].args);
	}
	free(s->v);
	*s = (struct apply_sessions){ 0 };
}

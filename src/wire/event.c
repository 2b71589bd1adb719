/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/event.h"

#include "base/mem.h"
#include "wire/rulemark.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

const char *const event_kinds[] = { "request", "connection", NULL };
const char *const event_protos[] = { "tcp", "http/1", "http/2", NULL };
const char *const event_bys[] = { "local",  "other",  "origin",
				  "router", "nobody", NULL };
static_assert(ARRAY_SIZE(event_kinds) == EVENT_NKINDS_ + 1, "one name each");
static_assert(ARRAY_SIZE(event_protos) == EVENT_NPROTOS_ + 1, "one name each");
static_assert(ARRAY_SIZE(event_bys) == EVENT_NBYS_ + 1, "one name each");

/* all that stands around the words: numbers, an address, blanks, the LF */
#define EVENT_NUMBERS_MAX 160

/* each byte of a word may stand as %XX; a mark has few of those */
static_assert(3 * (EVENT_PATH_MAX + EVENT_METHOD_MAX + EVENT_USER_MAX - 3) +
			      2 * (EVENT_MARK_MAX - 1) + ENVMARK_MAX - 1 +
			      EVENT_TRACE_LEN + EVENT_NUMBERS_MAX <
		      EVENT_LINE_MAX,
	      "an event fits into a line");

/* --- what is told --------------------------------------------------------- */

static bool event_is_printable(char c)
{
	return c > ' ' && c < 0x7f;
}

/* @from as it is, printable, or as much of it as there is room for */
static void event_copy(char *to, size_t size, struct slice from)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n; i++) {
		bool plain = event_is_printable(from.p[i]);

		if (n + 3 >= size) { /* the next may need three bytes */
			n = MIN(n, size - 4);
			memcpy(to + n, "...", 3);
			n += 3;
			break;
		}
		if (plain)
			to[n++] = from.p[i];
		else
			n += (size_t)snprintf(to + n, size - n, "%%%02X",
					      (unsigned char)from.p[i]);
	}
	to[n] = '\0';
}

/* The path alone: of "http://user@host/path?query" everything else may be a
 * secret (RFC 9110 section 17.9), and is not the path's business */
static struct slice event_path_of(struct slice target)
{
	struct slice path = target;
	const char *end;

	if (path.n && path.p[0] != '/' && path.p[0] != '*') {
		const char *at = memmem(path.p, path.n, "://", 3);
		const char *slash =
			at ? memchr(at + 3, '/',
				    path.n - (size_t)(at + 3 - path.p))
			   : NULL;

		if (!slash)
			return slice_of(at ? "/" : "");
		path.n -= (size_t)(slash - path.p);
		path.p = slash;
	}
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '?' || path.p[i] == '#') {
			end = path.p + i;
			path.n = (size_t)(end - path.p);
			break;
		}
	return path;
}

void event_set_request(struct event *ev, struct slice method,
		       struct slice target)
{
	event_copy(ev->method, sizeof(ev->method), method);
	event_copy(ev->path, sizeof(ev->path), event_path_of(target));
}

void event_set_mark(struct event *ev, const char *mark)
{
	size_t n = strlen(mark);

	if (n >= sizeof(ev->mark)) {
		n = sizeof(ev->mark) - 4;
		memcpy(ev->mark + n, "...", 3);
		memcpy(ev->mark, mark, n);
		n += 3;
	} else {
		memcpy(ev->mark, mark, n);
	}
	ev->mark[n] = '\0';
}

/* The trace-id of a probe: lower-case hex, as it is written (W3C Trace Context
 * section 3.2.2) */
static bool event_is_probe(struct slice id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!memchr("0123456789abcdef", id.p[i], 16))
			return false;
	return id.n == EVENT_TRACE_LEN &&
	       memcmp(id.p, EVENT_TRACE_PROBE, strlen(EVENT_TRACE_PROBE)) == 0;
}

static void event_set_trace(struct event *ev, struct slice parent)
{
	struct slice rest = parent, version, id;

	if (slice_cut(&rest, '-', &version) && version.n == 2 &&
	    slice_cut(&rest, '-', &id) && event_is_probe(id)) {
		memcpy(ev->trace, id.p, EVENT_TRACE_LEN);
		ev->trace[EVENT_TRACE_LEN] = '\0';
	}
}

void event_set_marks(struct event *ev, const struct rule_request *req)
{
	if (!envmark_of(req, ev->env))
		ev->env[0] = '\0';
	ev->env_added = *ev->env && req->marked;
	for (size_t i = 0; i < req->nfields && !*ev->trace; i++)
		if (slice_is_nocase(req->field[i].name, "traceparent"))
			event_set_trace(ev, req->field[i].value);
}

/* --- lines ---------------------------------------------------------------- */

static int event_put_word(struct buf *out, const char *word)
{
	char text[3 * EVENT_PATH_MAX];
	/* a word "-" is none: so that one stands encoded */
	int rc = strcmp(word, "-") == 0
			 ? snprintf(text, sizeof(text), "%%2D")
			 : rule_encode(*word ? word : "-", text, sizeof(text));

	return rc < 0 ? rc : buf_printf(out, " %s", text);
}

int event_put(struct buf *out, const struct event *ev)
{
	char from[IPADDR_STRLEN] = "-", latency[24] = "-";
	const char *const words[] = { ev->user, ev->mark, ev->method,
				      ev->path };
	size_t before = out->len;
	int rc;

	if (ev->from.family)
		ipaddr_str(&ev->from, from);
	if (ev->latency >= 0)
		snprintf(latency, sizeof(latency), "%" PRId64, ev->latency);
	rc = buf_printf(out,
			"event %" PRIu64 " %" PRId64 " %s %s %u %s %s %u "
			"%s",
			ev->seq, ev->when, event_kinds[ev->kind],
			event_protos[ev->proto], ev->port, from,
			event_bys[ev->by], ev->status, latency);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(words); i++)
		rc = event_put_word(out, words[i]);
	if (rc == 0)
		rc = buf_printf(out, " %s%s %s", ev->env_added ? "+" : "",
				*ev->env ? ev->env : "-",
				*ev->trace ? ev->trace : "-");
	if (rc == 0)
		rc = buf_put(out, "\n", 1);
	if (rc == 0 && out->len - before > EVENT_LINE_MAX)
		rc = -EMSGSIZE; /* it would end the stream */
	if (rc < 0)
		out->len = before;
	return rc;
}

/* The next word of the line; "": there is none */
static struct slice event_next(struct slice *line)
{
	return slice_next(line, ' ');
}

static int event_number(struct slice *line, uint64_t max, uint64_t *v)
{
	struct slice w = event_next(line);

	*v = 0;
	for (size_t i = 0; i < w.n; i++) {
		unsigned int digit = (unsigned char)w.p[i] - (unsigned int)'0';

		if (digit > 9 || *v > (max - digit) / 10)
			return -EINVAL;
		*v = *v * 10 + digit;
	}
	return w.n ? 0 : -EINVAL;
}

static int event_choice(struct slice *line, const char *const *names, size_t n)
{
	struct slice w = event_next(line);

	for (size_t i = 0; i < n; i++)
		if (slice_is(w, names[i]))
			return (int)i;
	return -EINVAL;
}

static int event_word(struct slice *line, char *out, size_t size)
{
	struct slice w = event_next(line);

	out[0] = '\0';
	if (!w.n)
		return -EINVAL;
	return slice_is(w, "-") ? 0 : rule_decode(w.p, w.n, out, size);
}

static int event_from(struct slice *line, struct ipaddr *from)
{
	char text[IPADDR_STRLEN];
	int rc = event_word(line, text, sizeof(text));

	if (rc < 0 || !*text)
		return rc;
	return ipaddr_parse(from, text);
}

static int event_latency(struct slice *line, int64_t *latency)
{
	struct slice at = *line;
	uint64_t v = 0;
	int rc = 0;

	*latency = -1;
	if (slice_is(event_next(&at), "-")) {
		*line = at;
		return 0;
	}
	rc = event_number(line, INT64_MAX, &v);
	*latency = (int64_t)v;
	return rc;
}

/* ENV TRACE, which an older shadow does not have */
static int event_read_marks(struct event *ev, struct slice *line)
{
	struct slice env = event_next(line), trace = event_next(line);

	ev->old = !env.n;
	if (ev->old)
		return 0;
	ev->env_added = env.p[0] == '+';
	if (ev->env_added) {
		env.p++;
		env.n--;
	}
	if (!slice_is(env, "-") || ev->env_added) {
		if (!envmark_is_name(env))
			return -EINVAL;
		memcpy(ev->env, env.p, env.n);
		ev->env[env.n] = '\0';
	}
	if (!trace.n || slice_is(trace, "-"))
		return 0;
	if (!event_is_probe(trace))
		return -EINVAL;
	memcpy(ev->trace, trace.p, trace.n);
	ev->trace[trace.n] = '\0';
	return 0;
}

static int event_read(struct event *ev, struct slice line)
{
	uint64_t when = 0, port = 0, status = 0;
	int kind = -1, proto = -1, by = -1;

	if (event_number(&line, UINT64_MAX - 9, &ev->seq) < 0 ||
	    event_number(&line, INT64_MAX / 2000, &when) < 0)
		return -EINVAL;
	kind = event_choice(&line, event_kinds, EVENT_NKINDS_);
	proto = event_choice(&line, event_protos, EVENT_NPROTOS_);
	if (kind < 0 || proto < 0 ||
	    event_number(&line, UINT16_MAX, &port) < 0 ||
	    event_from(&line, &ev->from) < 0)
		return -EINVAL;
	by = event_choice(&line, event_bys, EVENT_NBYS_);
	if (by < 0 || event_number(&line, 999, &status) < 0 ||
	    event_latency(&line, &ev->latency) < 0 ||
	    event_word(&line, ev->user, sizeof(ev->user)) < 0 ||
	    event_word(&line, ev->mark, sizeof(ev->mark)) < 0 ||
	    event_word(&line, ev->method, sizeof(ev->method)) < 0 ||
	    event_word(&line, ev->path, sizeof(ev->path)) < 0 ||
	    event_read_marks(ev, &line) < 0)
		return -EINVAL;
	ev->when = (int64_t)when;
	ev->kind = (enum event_kind)kind;
	ev->proto = (enum event_proto)proto;
	ev->by = (enum event_by)by;
	ev->port = (uint16_t)port;
	ev->status = (uint16_t)status;
	return 0;
}

int event_parse(struct event *ev, const char *line, struct kt_error *err)
{
	*ev = (struct event){ .latency = -1 };
	if (event_read(ev, slice_of(line)) == 0)
		return 0;
	*ev = (struct event){ .latency = -1 };
	return kt_fail(err, EINVAL, "malformed event '%.60s'", line);
}

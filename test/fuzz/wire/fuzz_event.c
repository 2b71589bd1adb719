/* SPDX-License-Identifier: Apache-2.0 */
/* What is read can be written, and is read again as the same; whatever a
 * request's target is, an event of it can be written. */
#include "base/mem.h"
#include "wire/event.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_same_again(const struct event *ev)
{
	struct event again;
	struct buf b;

	buf_init(&b, 65536);
	/* a mark of a foreign shadow may be one that we would not write */
	if (event_put(&b, ev) == 0) {
		buf_data(&b)[b.len - 1] = 0; /* the LF */
		if (event_parse(&again, (char *)buf_data(&b) + strlen("event "),
				NULL) < 0 ||
		    again.seq != ev->seq || again.when != ev->when ||
		    again.latency != ev->latency || again.by != ev->by ||
		    strcmp(again.user, ev->user) != 0 ||
		    strcmp(again.mark, ev->mark) != 0 ||
		    strcmp(again.method, ev->method) != 0 ||
		    strcmp(again.path, ev->path) != 0 ||
		    strcmp(again.env, ev->env) != 0 ||
		    strcmp(again.trace, ev->trace) != 0 ||
		    again.env_added != ev->env_added)
			abort();
	}
	buf_fini(&b);
}

static void fuzz_target(const uint8_t *data, size_t size)
{
	struct event ev = { .latency = -1 };

	event_set_request(&ev, slice_make(data, size / 2),
			  slice_make(data + size / 2, size - size / 2));
	for (const char *p = ev.path; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '?' || *p == '#')
			abort();
	fuzz_same_again(&ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = xstrndup((const char *)data, size);
	struct kt_error err = { 0 };
	struct event ev;

	if (event_parse(&ev, line, &err) == 0)
		fuzz_same_again(&ev);
	else if (!err.msg[0])
		abort();
	if (size)
		fuzz_target(data, size);
	free(line);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Control lines: the same ones however the bytes are cut. */
#include "wire/ruleline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t h, const char *p)
{
	for (; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	return h * 31;
}

static uint64_t take(uint64_t h, const char *line)
{
	struct kt_error err = { 0 };
	char text[RULE_TEXT_MAX];
	struct ruleline l;

	if (strlen(line) > RULELINE_MAX)
		abort();
	if (ruleline_parse(&l, line, &err) < 0) {
		if (!err.msg[0])
			abort();
		return mix(h, err.msg);
	}
	h = (h ^ l.sent) * 31 + l.dropped;
	h = mix(mix(h ^ (uint64_t)l.verb, l.word), l.text);
	return l.verb == RULELINE_RULE || l.verb == RULELINE_CLOSED
		       ? mix(h, rule_print(&l.rule, text))
		       : h;
}

static uint64_t run(const uint8_t *data, size_t size, size_t step)
{
	struct ruleline_reader r = { 0 };
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t off = 0; off < size; off += step) {
		size_t n = step < size - off ? step : size - off;
		struct rd in = rd_make(data + off, n);
		int rc;

		while ((rc = ruleline_read(&r, &in)) == 1)
			h = take(h, r.line);
		if (rc < 0)
			return h ^ (uint64_t)rc;
	}
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && run(data, size, size) != run(data, size, 1 + data[0] % 7))
		abort();
	return 0;
}

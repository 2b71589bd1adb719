/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/muxhead.h"

#include "base/mem.h"
#include "tunnel/mux.h"
#include "tunnel/status.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum field {
	METHOD,
	PROTOCOL,
	AUTHORITY,
	PATH,
	CONTENT_TYPE,
	FORWARDED,
	ENV,
	ENV_HEADER,
	NFIELDS_
};

static const char *const names[] = { ":method", ":protocol",	":authority",
				     ":path",	"content-type", "forwarded",
				     "kt-env",	"kt-env-header" };
static_assert(ARRAY_SIZE(names) == NFIELDS_, "one name per field");
static_assert(ARRAY_SIZE(((struct muxhead *)0)->field) == NFIELDS_, "room");

struct muxhead *muxhead_new(void)
{
	struct muxhead *h = calloc(1, sizeof(*h));

	if (h)
		h->used = 1; /* offset 0: an empty string, for "absent" */
	return h;
}

static bool named(const char *want, const uint8_t *name, size_t n)
{
	return strlen(want) == n && memcmp(want, name, n) == 0;
}

static int muxhead_keep(struct muxhead *h, enum field f, const uint8_t *value,
			size_t len)
{
	if (len >= sizeof(h->text) - h->used || memchr(value, 0, len))
		return -EMSGSIZE;
	h->field[f] = (uint16_t)h->used;
	memcpy(h->text + h->used, value, len);
	h->used += len;
	h->text[h->used++] = 0;
	return 0;
}

static int status_of(const uint8_t *v, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len && i < 3; i++)
		n = n * 10 + (v[i] - '0');
	return n;
}

int muxhead_add(struct muxhead *h, const uint8_t *name, size_t namelen,
		const uint8_t *value, size_t len)
{
	if (named(":status", name, namelen)) {
		h->status = status_of(value, len); /* digits: nghttp2 checks */
		return 0;
	}
	if (named("proxy-status", name, namelen)) {
		h->error = status_parse((const char *)value, len, h->detail,
					sizeof(h->detail));
		return 0;
	}
	for (int f = 0; f < NFIELDS_; f++)
		if (named(names[f], name, namelen))
			return muxhead_keep(h, (enum field)f, value, len);
	return 0;
}

void muxhead_request(const struct muxhead *h, struct mux_request *req)
{
	*req = (struct mux_request){
		.method = h->text + h->field[METHOD],
		.protocol = h->text + h->field[PROTOCOL],
		.authority = h->text + h->field[AUTHORITY],
		.path = h->text + h->field[PATH],
		.content_type = h->text + h->field[CONTENT_TYPE],
		.forwarded = h->text + h->field[FORWARDED],
		.env = h->text + h->field[ENV],
		.env_header = h->text + h->field[ENV_HEADER],
	};
}

void muxhead_answer(const struct muxhead *h, struct mux_head *head)
{
	bool good = h->status >= 200 && h->status < 300;

	*head = (struct mux_head){ .status = h->status, .detail = h->detail };
	if (!good)
		head->error = h->error ? h->error : status_errno(h->status);
}

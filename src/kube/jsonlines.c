/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/jsonlines.h"

#include <errno.h>
#include <string.h>

void jsonlines_init(struct jsonlines *j)
{
	buf_init(&j->line, JSONLINES_MAX);
}

void jsonlines_fini(struct jsonlines *j)
{
	buf_fini(&j->line);
}

static bool blank(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\r' && s[i] != '\t')
			return false;
	return true;
}

static int one_line(const char *s, size_t n,
		    bool (*fn)(void *user, json_t *value), void *user)
{
	json_t *v;
	bool more;

	if (blank(s, n))
		return 0;
	v = json_loadb(s, n, 0, NULL);
	if (!v)
		return -EBADMSG;
	more = fn(user, v);
	json_decref(v);
	return more ? 0 : -ECANCELED;
}

/* The end of the line: with what was kept of it, or in place. */
static int end_line(struct jsonlines *j, const char *s, size_t n,
		    bool (*fn)(void *user, json_t *value), void *user)
{
	struct buf line = j->line;
	int rc;

	if (!line.len)
		return one_line(s, n, fn, user);
	rc = buf_put(&line, s, n);
	jsonlines_init(j);
	if (!rc)
		rc = one_line((char *)buf_data(&line), line.len, fn, user);
	else if (rc == -ENOBUFS)
		rc = -EFBIG;
	buf_fini(&line);
	return rc;
}

int jsonlines_feed(struct jsonlines *j, const char *data, size_t len,
		   bool (*fn)(void *user, json_t *value), void *user)
{
	while (len) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl ? (size_t)(nl - data) : len;
		int rc;

		if (!nl) {
			rc = buf_put(&j->line, data, n);
			return rc == -ENOBUFS ? -EFBIG : rc;
		}
		rc = end_line(j, data, n, fn, user);
		if (rc < 0)
			return rc;
		data += n + 1;
		len -= n + 1;
	}
	return 0;
}

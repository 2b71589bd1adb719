/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/share.h"

#include "base/str.h"

#include <errno.h>
#include <string.h>

int share_parse(struct share *s, const char *text, struct kt_error *err)
{
	struct slice rest = slice_of(text);
	struct slice host = slice_next(&rest, ','),
		     env = slice_next(&rest, ','),
		     until = slice_next(&rest, ','), header = rest;
	char number[24];
	long at;

	*s = (struct share){ .until = 0 };
	snprintf(number, sizeof(number), "%.*s", (int)MIN(until.n, 23u),
		 until.n ? until.p : "");
	if (!envmark_is_name(host) || host.n >= sizeof(s->host) ||
	    !envmark_is_name(env) || str_to_long(number, &at) < 0 || at < 0 ||
	    (header.n && !envmark_is_header(header)))
		return kt_fail(err, EINVAL,
			       "'%.200s' is not HOST,ENV,UNTIL[,HEADER]", text);
	memcpy(s->host, host.p, host.n);
	memcpy(s->mark.name, env.p, env.n);
	if (header.n)
		memcpy(s->mark.header, header.p, header.n);
	s->until = at;
	return 0;
}

/* Without the port: RFC 9110 section 7.2 */
static struct slice share_host(const struct rule_request *req)
{
	for (size_t i = 0; i < req->nfields; i++) {
		struct slice v = req->field[i].value;

		if (slice_is_nocase(req->field[i].name, "host"))
			return slice_next(&v, ':');
	}
	return (struct slice){ NULL, 0 };
}

bool share_takes(const struct share *s, const struct rule_request *req,
		 int64_t now, struct router_said *said)
{
	bool here = req && !slice_is(req->method, "CONNECT") &&
		    slice_is_nocase(share_host(req), s->host);

	if (here && (!s->until || now < s->until))
		return true;
	said->absent = true;
	if (here)
		snprintf(said->text, sizeof(said->text),
			 "environment %s has ended", s->mark.name);
	else
		snprintf(said->text, sizeof(said->text),
			 "no environment has this host name here");
	return false;
}

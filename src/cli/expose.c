/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/expose.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

bool expose_is_port_name(const char *text)
{
	size_t n = strlen(text);

	if (!n || n > 63)
		return false;
	for (const char *p = text; *p; p++)
		if (!islower((unsigned char)*p) &&
		    !isdigit((unsigned char)*p) && *p != '-')
			return false;
	return true;
}

bool expose_cut_proto(char *text, enum expose_proto *proto)
{
	char *slash = strchr(text, '/');

	*proto = EXPOSE_ANY;
	if (!slash)
		return true;
	*slash = '\0';
	if (strcasecmp(slash + 1, "tcp") == 0)
		*proto = EXPOSE_TCP;
	else if (strcasecmp(slash + 1, "udp") == 0)
		*proto = EXPOSE_UDP;
	return *proto != EXPOSE_ANY;
}

static int item_parse(struct expose_item *it, const char *text,
		      struct kt_error *err)
{
	auto_free char *copy = xstrdup(text);
	char *remote;

	*it = (struct expose_item){ 0 };
	if (!expose_cut_proto(copy, &it->proto))
		return kt_fail(err, EINVAL,
			       "'%s': behind '/' is neither tcp nor udp", text);
	remote = strchr(copy, ':');
	if (remote)
		*remote++ = '\0';
	else
		remote = copy;
	if (str_to_port(copy, &it->local) < 0)
		return kt_fail(err, EINVAL,
			       "'%s' is not of the form LOCAL or LOCAL:REMOTE, "
			       "ports from 1 to 65535",
			       text);
	if (str_to_port(remote, &it->number) == 0)
		return 0;
	if (!expose_is_port_name(remote) ||
	    strspn(remote, "0123456789") == strlen(remote))
		return kt_fail(err, EINVAL,
			       "'%s': '%s' is neither a port from 1 to 65535 "
			       "nor the name of one",
			       text, remote);
	snprintf(it->name, sizeof(it->name), "%s", remote);
	return 0;
}

static bool same_remote(const struct expose_item *a,
			const struct expose_item *b)
{
	return a->number == b->number && strcmp(a->name, b->name) == 0 &&
	       a->proto == b->proto;
}

int expose_parse(struct expose *e, const char *text, struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ',');
	struct expose out = { 0 };

	if (parts.n)
		out.v = xcalloc(parts.n, sizeof(*out.v));
	for (size_t i = 0; i < parts.n; i++) {
		int rc = item_parse(&out.v[out.n], parts.v[i], err);

		for (size_t k = 0; rc == 0 && k < out.n; k++)
			if (same_remote(&out.v[k], &out.v[out.n]))
				rc = kt_fail(err, EINVAL,
					     "'%s': this remote port was "
					     "named before",
					     parts.v[i]);
		if (rc < 0) {
			expose_fini(&out);
			return rc;
		}
		out.n++;
	}
	*e = out;
	return 0;
}

void expose_fini(struct expose *e)
{
	free(e->v);
	*e = (struct expose){ 0 };
}

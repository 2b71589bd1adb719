/* SPDX-License-Identifier: Apache-2.0 */
#include "image/reference.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define REFERENCE_HUB "docker.io"

static bool reference_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool reference_alnum(char c)
{
	return reference_lower(c) || (c >= 'A' && c <= 'Z');
}

static int reference_copy(char *dst, size_t size, struct slice s)
{
	if (s.n >= size)
		return -EINVAL;
	memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return 0;
}

/* [IPv6], or labels of letters, digits and dashes */
static bool reference_host_ok(struct slice s)
{
	char last = '.';

	if (s.n && s.p[0] == '[') {
		char text[IPADDR_STRLEN];
		struct ipaddr a;

		return s.p[s.n - 1] == ']' &&
		       reference_copy(text, sizeof(text),
				      slice_make(s.p + 1, s.n - 2)) == 0 &&
		       ipaddr_parse(&a, text) == 0;
	}
	for (size_t i = 0; i < s.n; last = s.p[i++])
		if (!reference_alnum(s.p[i]) &&
		    !(last != '.' && (s.p[i] == '-' || s.p[i] == '.')))
			return false;
	return s.n && reference_alnum(last);
}

/* Host and port; one with neither dot nor port is a folder of Docker Hub to
 * others, so only "localhost" may be so short */
static bool reference_registry_ok(struct slice s)
{
	struct slice host = s;
	bool port = false;

	for (size_t i = s.n; i-- && s.p[i] != ']';)
		if (s.p[i] == ':') {
			char text[8];
			uint16_t v;

			if (reference_copy(
				    text, sizeof(text),
				    slice_make(s.p + i + 1, s.n - i - 1)) < 0 ||
			    str_to_port(text, &v) < 0)
				return false;
			host.n = i;
			port = true;
			break;
		}
	return reference_host_ok(host) &&
	       (port || memchr(host.p, '.', host.n) || host.p[0] == '[' ||
		slice_is(host, "localhost"));
}

/* Lower-case letters and digits, with ".", "_", "__" or dashes in between */
static bool reference_part_ok(struct slice s)
{
	size_t i = 0;

	while (i < s.n && reference_lower(s.p[i])) {
		size_t from;

		while (i < s.n && reference_lower(s.p[i]))
			i++;
		if (i == s.n)
			return true;
		from = i;
		while (i < s.n && s.p[i] == s.p[from] &&
		       memchr("._-", s.p[i], 3))
			i++;
		if (i == from || (s.p[from] == '.' && i - from > 1) ||
		    (s.p[from] == '_' && i - from > 2))
			return false;
	}
	return false;
}

static bool reference_repository_ok(struct slice s)
{
	struct slice part;

	while (slice_cut(&s, '/', &part))
		if (!reference_part_ok(part))
			return false;
	return reference_part_ok(s);
}

static bool reference_tag_ok(const char *tag)
{
	for (size_t i = 0; tag[i]; i++)
		if (!reference_alnum(tag[i]) && tag[i] != '_' &&
		    (!i || !strchr(".-", tag[i])))
			return false;
	return tag[0];
}

static int reference_fail(struct kt_error *err, const char *text,
			  const char *why)
{
	kt_fail(err, EINVAL, "image name '%s': %s", text, why);
	kt_hint(err, "REGISTRY/REPO[:TAG], for example "
		     "registry.example/team/ktctl-shadow");
	return -EINVAL;
}

int reference_parse(struct reference *r, const char *text, struct kt_error *err)
{
	struct slice rest = slice_of(text), registry, repository;

	*r = (struct reference){ .tag = "v" KT_VERSION };
	if (!slice_cut(&rest, '/', &registry) ||
	    !reference_registry_ok(registry) ||
	    reference_copy(r->registry, sizeof(r->registry), registry) < 0)
		return reference_fail(err, text,
				      "it does not begin with a registry");
	if (memchr(rest.p, '@', rest.n))
		return reference_fail(err, text,
				      "a digest cannot be chosen, only a tag");
	if (!slice_cut(&rest, ':', &repository))
		repository = rest;
	else if (reference_copy(r->tag, sizeof(r->tag), rest) < 0 ||
		 !reference_tag_ok(r->tag))
		return reference_fail(err, text, "its tag is none");
	if (!reference_repository_ok(repository) ||
	    reference_copy(r->repository, sizeof(r->repository), repository) <
		    0)
		return reference_fail(err, text,
				      "its repository has to be lower-case "
				      "words between slashes");
	return 0;
}

char *reference_text(const struct reference *r)
{
	return xasprintf("%s/%s:%s", r->registry, r->repository, r->tag);
}

/* Docker Hub has names of its own for both */
static bool reference_is_hub(const struct reference *r)
{
	return strcmp(r->registry, REFERENCE_HUB) == 0 ||
	       strcmp(r->registry, "index." REFERENCE_HUB) == 0;
}

const char *reference_host(const struct reference *r)
{
	return reference_is_hub(r) ? "registry-1.docker.io" : r->registry;
}

const char *reference_key(const struct reference *r)
{
	return reference_is_hub(r) ? "https://index.docker.io/v1/"
				   : r->registry;
}

bool reference_is_local(const struct reference *r)
{
	char host[sizeof(r->registry)];
	struct ipaddr a;
	char *end;

	if (r->registry[0] == '[') {
		snprintf(host, sizeof(host), "%s", r->registry + 1);
		end = strchr(host, ']');
	} else {
		snprintf(host, sizeof(host), "%s", r->registry);
		end = strchr(host, ':');
	}
	if (end)
		*end = '\0';
	if (strcmp(host, "localhost") == 0)
		return true;
	if (ipaddr_parse(&a, host) < 0)
		return false;
	return a.family == AF_INET ? a.b[0] == 127 : IN6_IS_ADDR_LOOPBACK(a.b);
}

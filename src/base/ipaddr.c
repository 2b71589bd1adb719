/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ipaddr.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int ipaddr_parse(struct ipaddr *a, const char *s)
{
	*a = (struct ipaddr){ 0 };
	if (inet_pton(AF_INET, s, a->b) == 1)
		a->family = AF_INET;
	else if (inet_pton(AF_INET6, s, a->b) == 1)
		a->family = AF_INET6;
	else
		return -EINVAL;
	return 0;
}

struct ipaddr ipaddr_v4(const void *four_bytes)
{
	struct ipaddr a = { .family = AF_INET };

	memcpy(a.b, four_bytes, 4);
	return a;
}

struct ipaddr ipaddr_v6(const void *sixteen_bytes)
{
	struct ipaddr a = { .family = AF_INET6 };

	memcpy(a.b, sixteen_bytes, 16);
	return a;
}

const char *ipaddr_str(const struct ipaddr *a, char buf[IPADDR_STRLEN])
{
	if (!a->family || !inet_ntop(a->family, a->b, buf, IPADDR_STRLEN))
		snprintf(buf, IPADDR_STRLEN, "(none)");
	return buf;
}

int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return ipaddr_cmp(a, b) == 0;
}

struct ipprefix ipprefix_make(const struct ipaddr *a, unsigned int len)
{
	struct ipprefix p = { .addr = *a,
			      .len = (uint8_t)MIN(len, ipaddr_bits(a)) };

	for (unsigned int i = p.len; i < 128; i++)
		p.addr.b[i / 8] &= (uint8_t) ~(0x80U >> (i % 8));
	return p;
}

int ipprefix_parse(struct ipprefix *p, const char *s)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	char addr[IPADDR_STRLEN];
	struct ipaddr a;
	long len;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (ipaddr_parse(&a, addr) < 0)
		return -EINVAL;
	len = ipaddr_bits(&a);
	if (slash && (str_to_long(slash + 1, &len) < 0 || len < 0 ||
		      len > (long)ipaddr_bits(&a)))
		return -EINVAL;
	*p = ipprefix_make(&a, (unsigned int)len);
	return 0;
}

const char *ipprefix_str(const struct ipprefix *p, char buf[IPPREFIX_STRLEN])
{
	char addr[IPADDR_STRLEN];

	snprintf(buf, IPPREFIX_STRLEN, "%s/%u", ipaddr_str(&p->addr, addr),
		 p->len);
	return buf;
}

bool ipprefix_has(const struct ipprefix *p, const struct ipaddr *a)
{
	struct ipprefix q;

	if (p->addr.family != a->family)
		return false;
	q = ipprefix_make(a, p->len);
	return ipaddr_eq(&q.addr, &p->addr);
}

bool ipprefix_covers(const struct ipprefix *outer, const struct ipprefix *inner)
{
	return outer->len <= inner->len && ipprefix_has(outer, &inner->addr);
}

size_t ipprefix_subtract(const struct ipprefix *from,
			 const struct ipprefix *hole, struct ipprefix out[128])
{
	size_t n = 0;

	if (ipprefix_covers(hole, from))
		return 0;
	if (!ipprefix_covers(from, hole)) {
		out[0] = *from;
		return 1;
	}
	/* walk down to the hole; at each bit keep the half without it */
	for (unsigned int len = from->len; len < hole->len; len++) {
		struct ipprefix half = ipprefix_make(&hole->addr, len + 1);

		half.addr.b[len / 8] ^= (uint8_t)(0x80U >> (len % 8));
		out[n++] = half;
	}
	return n;
}

int ipport_parse(struct ipport *p, const char *s)
{
	const char *colon = strrchr(s, ':');
	char addr[IPADDR_STRLEN + 2];
	size_t n;
	long port;

	if (!colon || str_to_long(colon + 1, &port) < 0 || port < 0 ||
	    port > 65535)
		return -EINVAL;
	n = (size_t)(colon - s);
	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (addr[0] == '[') {
		if (n < 2 || addr[n - 1] != ']')
			return -EINVAL;
		addr[n - 1] = '\0';
		if (ipaddr_parse(&p->addr, addr + 1) < 0 ||
		    p->addr.family != AF_INET6)
			return -EINVAL;
	} else if (ipaddr_parse(&p->addr, addr) < 0 ||
		   p->addr.family != AF_INET) {
		return -EINVAL;
	}
	p->port = (uint16_t)port;
	p->scope = 0;
	return 0;
}

const char *ipport_str(const struct ipport *p, char buf[IPPORT_STRLEN])
{
	char addr[IPADDR_STRLEN];

	if (p->scope) {
		snprintf(buf, IPPORT_STRLEN, "[%s%%%u]:%u",
			 ipaddr_str(&p->addr, addr), p->scope, p->port);
		return buf;
	}
	snprintf(buf, IPPORT_STRLEN,
		 p->addr.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 ipaddr_str(&p->addr, addr), p->port);
	return buf;
}

bool ipport_eq(const struct ipport *a, const struct ipport *b)
{
	return a->port == b->port && ipaddr_eq(&a->addr, &b->addr) &&
	       (a->scope == b->scope || !a->scope || !b->scope);
}

uint64_t ipport_hash(const struct ipport *a, const struct ipport *b)
{
	const struct ipport *all[] = { a, b };
	uint8_t key[2 * (sizeof(a->addr.b) + 3)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all) && all[i]; i++) {
		key[n++] = (uint8_t)all[i]->addr.family;
		key[n++] = (uint8_t)(all[i]->port >> 8);
		key[n++] = (uint8_t)all[i]->port;
		memcpy(key + n, all[i]->addr.b, sizeof(a->addr.b));
		n += sizeof(a->addr.b);
	}
	return hash_bytes(key, n);
}

socklen_t ipport_to_sockaddr(const struct ipport *p,
			     struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (p->addr.family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(p->port);
		memcpy(&in->sin_addr, p->addr.b, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(p->port);
	memcpy(&in6->sin6_addr, p->addr.b, 16);
	in6->sin6_scope_id = p->scope;
	return sizeof(*in6);
}

int ipport_from_sockaddr(struct ipport *p, const struct sockaddr *sa)
{
	p->scope = 0;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		p->addr = ipaddr_v4(&in->sin_addr);
		p->port = ntohs(in->sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			p->addr = ipaddr_v4(in6->sin6_addr.s6_addr + 12);
		else
			p->addr = ipaddr_v6(&in6->sin6_addr);
		if (ipaddr_is_link_local(&p->addr))
			p->scope = in6->sin6_scope_id;
		p->port = ntohs(in6->sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

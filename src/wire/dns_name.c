/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_name.h"

#include "base/hash.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_NAME 12 /* behind the header; nothing may point before it */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

int dns_name_read(const uint8_t *msg, size_t len, size_t *pos,
		  struct dns_name *out)
{
	size_t p = *pos, start = *pos, end = len, n = 0;
	bool jumped = false;

	while (p < end) {
		uint8_t c = msg[p];

		if ((c & 0xc0) == 0xc0) {
			size_t to;

			if (p + 1 >= end)
				return -EBADMSG;
			to = (size_t)(c & 0x3f) << 8 | msg[p + 1];
			if (!jumped)
				*pos = p + 2;
			/*
			 * To an earlier name, which is over before this one
			 * begins: each jump goes further back, so it ends.
			 */
			if (to < FIRST_NAME || to >= start)
				return -EBADMSG;
			jumped = true;
			end = start;
			p = start = to;
			continue;
		}
		if (c & 0xc0)
			return -EBADMSG;
		if (p + 1 + c > end || n + 1 + c > DNS_NAME_MAX)
			return -EBADMSG;
		memcpy(out->b + n, msg + p, (size_t)c + 1);
		n += (size_t)c + 1;
		p += (size_t)c + 1;
		if (c == 0) {
			if (!jumped)
				*pos = p;
			out->len = (uint8_t)n;
			return 0;
		}
	}
	return -EBADMSG;
}

/* one character of presentation form; the bytes used of @s, 0 when wrong */
static size_t dns_name_unescape(const char *s, uint8_t *c)
{
	unsigned int v;

	if (s[0] != '\\') {
		*c = (uint8_t)s[0];
		return 1;
	}
	if (s[1] < '0' || s[1] > '9') {
		*c = (uint8_t)s[1];
		return s[1] ? 2 : 0;
	}
	for (int i = 2; i <= 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
	}
	v = (unsigned int)((s[1] - '0') * 100 + (s[2] - '0') * 10 +
			   (s[3] - '0'));
	*c = (uint8_t)v;
	return v <= 255 ? 4 : 0;
}

int dns_name_parse(struct dns_name *n, const char *text)
{
	uint8_t b[DNS_NAME_MAX];
	size_t label = 0, len = 1; /* where its length byte is; bytes used */

	if (strcmp(text, ".") == 0) {
		*n = (struct dns_name){ .len = 1 };
		return 0;
	}
	while (*text) {
		uint8_t c;
		size_t used;

		if (*text == '.') {
			if (len - label - 1 == 0 || len >= DNS_NAME_MAX)
				return -EINVAL;
			b[label] = (uint8_t)(len - label - 1);
			label = len++;
			text++;
			continue;
		}
		used = dns_name_unescape(text, &c);
		if (!used || len >= DNS_NAME_MAX ||
		    len - label - 1 >= DNS_LABEL_MAX)
			return -EINVAL;
		b[len++] = c;
		text += used;
	}
	b[label] = (uint8_t)(len - label - 1);
	if (b[label]) { /* no dot at the end */
		if (len >= DNS_NAME_MAX)
			return -EINVAL;
		b[len++] = 0;
	} else if (len == 1) {
		return -EINVAL; /* nothing at all */
	}
	memcpy(n->b, b, len);
	n->len = (uint8_t)len;
	return 0;
}

static char *put_escaped(char *p, uint8_t c)
{
	if (c == '.' || c == '\\') {
		*p++ = '\\';
		*p++ = (char)c;
	} else if (c > 0x20 && c < 0x7f) {
		*p++ = (char)c;
	} else {
		*p++ = '\\';
		*p++ = (char)('0' + c / 100);
		*p++ = (char)('0' + c / 10 % 10);
		*p++ = (char)('0' + c % 10);
	}
	return p;
}

/* One label; there is room */
static void dns_name_put(struct dns_name *n, const char *text)
{
	size_t len = strlen(text);

	n->b[n->len++] = (uint8_t)len;
	memcpy(n->b + n->len, text, len);
	n->len = (uint8_t)(n->len + len);
}

void dns_name_reverse(struct dns_name *n, const struct ipaddr *a)
{
	char text[4];

	n->len = 0;
	for (size_t i = ipaddr_size(a); i-- > 0;) {
		if (a->family == AF_INET) {
			snprintf(text, sizeof(text), "%u", a->b[i]);
			dns_name_put(n, text);
			continue;
		}
		snprintf(text, sizeof(text), "%x", a->b[i] & 15U);
		dns_name_put(n, text);
		snprintf(text, sizeof(text), "%x", a->b[i] >> 4);
		dns_name_put(n, text);
	}
	dns_name_put(n, a->family == AF_INET ? "in-addr" : "ip6");
	dns_name_put(n, "arpa");
	n->b[n->len++] = 0;
}

const char *dns_name_str(const struct dns_name *n, char buf[DNS_NAME_STRLEN])
{
	char *p = buf;

	for (size_t i = 0; i < n->len && n->b[i]; i += n->b[i] + 1u) {
		if (p != buf)
			*p++ = '.';
		for (size_t k = 1; k <= n->b[i]; k++)
			p = put_escaped(p, n->b[i + k]);
	}
	if (p == buf)
		*p++ = '.';
	*p = '\0';
	return buf;
}

static bool bytes_eq(const uint8_t *a, const uint8_t *b, size_t n)
{
	/* length bytes are below 64, so lower() leaves them alone */
	for (size_t i = 0; i < n; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && bytes_eq(a->b, b->b, a->len);
}

bool dns_name_under(const struct dns_name *n, const struct dns_name *zone)
{
	size_t i = 0;

	/* on a label boundary of @n, exactly as long as @zone */
	while (i < n->len && n->len - i > zone->len)
		i += n->b[i] + 1u;
	return i < n->len && n->len - i == zone->len &&
	       bytes_eq(n->b + i, zone->b, zone->len);
}

unsigned int dns_name_labels(const struct dns_name *n)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n->len && n->b[i]; i += n->b[i] + 1u)
		count++;
	return count;
}

uint64_t dns_name_hash(const struct dns_name *n)
{
	struct dns_name low = *n;

	dns_name_lower(&low);
	return hash_bytes(low.b, low.len);
}

void dns_name_lower(struct dns_name *n)
{
	for (size_t i = 0; i < n->len; i++)
		n->b[i] = lower(n->b[i]);
}

/* the place in @n behind its first @labels labels, at most at the root */
static size_t skip_labels(const struct dns_name *n, unsigned int labels)
{
	size_t i = 0;

	while (labels-- && i < n->len && n->b[i])
		i += n->b[i] + 1u;
	return i;
}

int dns_name_join(struct dns_name *out, const struct dns_name *head,
		  const struct dns_name *tail)
{
	struct dns_name n;
	size_t cut = head->len - 1u; /* without its root label */

	if (!head->len || !tail->len || cut + tail->len > DNS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(n.b, head->b, cut);
	memcpy(n.b + cut, tail->b, tail->len);
	n.len = (uint8_t)(cut + tail->len);
	memcpy(out->b, n.b, n.len);
	out->len = n.len;
	return 0;
}

void dns_name_head(struct dns_name *out, const struct dns_name *n,
		   unsigned int labels)
{
	size_t cut = skip_labels(n, labels);

	memmove(out->b, n->b, cut);
	out->b[cut] = 0;
	out->len = (uint8_t)(cut + 1);
}

void dns_name_tail(struct dns_name *out, const struct dns_name *n,
		   unsigned int skip)
{
	size_t cut = skip_labels(n, skip), left = n->len - cut;

	memmove(out->b, n->b + cut, left);
	out->len = (uint8_t)left;
}

const uint8_t *dns_name_label(const struct dns_name *n, unsigned int i,
			      size_t *len)
{
	size_t at = skip_labels(n, i);

	if (at >= n->len || !n->b[at])
		return NULL;
	*len = n->b[at];
	return n->b + at + 1;
}

bool dns_name_label_is(const struct dns_name *n, unsigned int i,
		       const char *text)
{
	size_t len;
	const uint8_t *p = dns_name_label(n, i, &len);

	return p && strlen(text) == len &&
	       bytes_eq(p, (const uint8_t *)text, len);
}

bool dns_name_is_host(const char *text)
{
	size_t n = strlen(text), label = 0;
	bool letter = false;

	if (n && text[n - 1] == '.')
		n--;
	if (!n || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '.') {
			if (!label)
				return false;
			label = 0;
			letter = false;
			continue;
		}
		if (!isalnum(c) && c != '-' && c != '_')
			return false;
		letter |= !isdigit(c);
		if (++label > 63)
			return false;
	}
	return label && letter;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/target.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define UDP_PREFIX "/.well-known/masque/udp/"
#define INBOUND_UDP_PREFIX UDP_PREFIX "kt/"
#define ECHO_PREFIX "/.well-known/ktctl/echo/"
#define CONTINUE_PREFIX "/.well-known/ktctl/continue/"
#define FILES_PREFIX "/.well-known/ktctl/files/"

static void target_encode(char out[3 * IPADDR_STRLEN], const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];
	size_t n = 0;

	ipaddr_str(a, text);
	for (const char *p = text; *p; p++)
		n += (size_t)snprintf(out + n, 4, *p == ':' ? "%%3A" : "%c",
				      *p);
}

/* the address up to the next '/'; @path is moved behind that */
static int decode(const char **path, struct ipaddr *a)
{
	char text[IPADDR_STRLEN];
	const char *p = *path;
	size_t n = 0;

	while (*p && *p != '/' && n < sizeof(text) - 1) {
		if (strncasecmp(p, "%3A", 3) == 0) {
			text[n++] = ':';
			p += 3;
		} else {
			text[n++] = *p++;
		}
	}
	text[n] = 0;
	if (*p != '/')
		return -EINVAL;
	*path = p + 1;
	return ipaddr_parse(a, text);
}

void target_udp_path(char out[TARGET_PATH_MAX], const struct ipport *dst)
{
	char addr[3 * IPADDR_STRLEN] = "";

	target_encode(addr, &dst->addr);
	snprintf(out, TARGET_PATH_MAX, UDP_PREFIX "%s/%u/", addr, dst->port);
}

void target_echo_path(char out[TARGET_PATH_MAX], const struct ipaddr *dst)
{
	char addr[3 * IPADDR_STRLEN] = "";

	target_encode(addr, dst);
	snprintf(out, TARGET_PATH_MAX, ECHO_PREFIX "%s/", addr);
}

/* "PORT/" and nothing more */
static int port_end(const char *p, uint16_t *port)
{
	size_t n = strcspn(p, "/");
	char text[8];

	if (p[n] != '/' || p[n + 1] || n >= sizeof(text))
		return -EINVAL;
	memcpy(text, p, n);
	text[n] = 0;
	return str_to_port(text, port);
}

int target_udp_parse(const char *path, struct ipport *dst)
{
	const char *p = path + strlen(UDP_PREFIX);

	if (!str_starts(path, UDP_PREFIX) || decode(&p, &dst->addr) < 0)
		return -EINVAL;
	return port_end(p, &dst->port);
}

static bool target_is_name(const char *s, size_t n)
{
	struct ipaddr a;
	char text[TARGET_HOST_MAX];

	if (!n || n >= sizeof(text) ||
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789-_.") < n)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	return ipaddr_parse(&a, text) < 0;
}

int target_udp_name_path(char out[TARGET_PATH_MAX], const char *host,
			 uint16_t port)
{
	if (!target_is_name(host, strlen(host)))
		return -EINVAL;
	snprintf(out, TARGET_PATH_MAX, UDP_PREFIX "%s/%u/", host, port);
	return 0;
}

int target_udp_name_parse(const char *path, char host[TARGET_HOST_MAX],
			  uint16_t *port)
{
	const char *p = path + strlen(UDP_PREFIX);
	size_t n;

	if (!str_starts(path, UDP_PREFIX))
		return -EINVAL;
	n = strcspn(p, "/");
	if (p[n] != '/' || !target_is_name(p, n))
		return -EINVAL;
	snprintf(host, TARGET_HOST_MAX, "%.*s", (int)n, p);
	return port_end(p + n + 1, port);
}

int target_echo_parse(const char *path, struct ipaddr *dst)
{
	const char *p = path + strlen(ECHO_PREFIX);

	if (!str_starts(path, ECHO_PREFIX) || decode(&p, dst) < 0 || *p)
		return -EINVAL;
	return 0;
}

/* How many characters a secret at @s has; 0: there is none */
static size_t target_secret(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n < TARGET_SECRET_MAX ? n : 0;
}

int target_files_path(char out[TARGET_PATH_MAX], const char *secret)
{
	size_t n = target_secret(secret);

	if (!n || secret[n])
		return -EINVAL;
	snprintf(out, TARGET_PATH_MAX, FILES_PREFIX "%s/", secret);
	return 0;
}

int target_files_parse(const char *path, char secret[TARGET_SECRET_MAX])
{
	const char *p;
	size_t n;

	if (!str_starts(path, FILES_PREFIX))
		return -EINVAL;
	p = path + strlen(FILES_PREFIX);
	n = target_secret(p);
	if (!n || strcmp(p + n, "/") != 0)
		return -EINVAL;
	snprintf(secret, TARGET_SECRET_MAX, "%.*s", (int)n, p);
	return 0;
}

void target_continue_path(char out[TARGET_PATH_MAX],
			  const uint8_t session[TARGET_SESSION_LEN],
			  uint32_t stream)
{
	char hex[2 * TARGET_SESSION_LEN + 1];

	for (int i = 0; i < TARGET_SESSION_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", session[i]);
	snprintf(out, TARGET_PATH_MAX, CONTINUE_PREFIX "%s/%u/", hex, stream);
}

bool target_is_continue(const char *path)
{
	return str_starts(path, CONTINUE_PREFIX);
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* "STREAM/" and nothing more */
static int target_stream_end(const char *p, uint32_t *stream)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; p[n] >= '0' && p[n] <= '9' && n < 10; n++)
		v = v * 10 + (uint64_t)(p[n] - '0');
	if (!n || strcmp(p + n, "/") != 0 || !v || v > INT32_MAX)
		return -EINVAL;
	*stream = (uint32_t)v;
	return 0;
}

int target_continue_parse(const char *path, uint8_t session[TARGET_SESSION_LEN],
			  uint32_t *stream)
{
	const char *p = path + strlen(CONTINUE_PREFIX);

	if (!target_is_continue(path))
		return -EINVAL;
	for (int i = 0; i < TARGET_SESSION_LEN; i++, p += 2) {
		int hi = digit(p[0]), lo = hi < 0 ? -1 : digit(p[1]);

		if (lo < 0)
			return -EINVAL;
		session[i] = (uint8_t)(hi << 4 | lo);
	}
	return *p == '/' ? target_stream_end(p + 1, stream) : -EINVAL;
}

void target_inbound_authority(char out[TARGET_AUTHORITY_MAX], uint16_t port)
{
	snprintf(out, TARGET_AUTHORITY_MAX, "kt:%u", port);
}

int target_inbound_authority_parse(const char *s, uint16_t *port)
{
	return str_starts(s, "kt:") ? str_to_port(s + strlen("kt:"), port)
				    : -EINVAL;
}

void target_inbound_udp_path(char out[TARGET_PATH_MAX], uint16_t port)
{
	snprintf(out, TARGET_PATH_MAX, INBOUND_UDP_PREFIX "%u/", port);
}

int target_inbound_udp_parse(const char *path, uint16_t *port)
{
	if (!str_starts(path, INBOUND_UDP_PREFIX))
		return -EINVAL;
	return port_end(path + strlen(INBOUND_UDP_PREFIX), port);
}

void target_forwarded(char out[TARGET_FORWARDED_MAX], const struct ipport *from)
{
	char text[IPPORT_STRLEN];

	snprintf(out, TARGET_FORWARDED_MAX, "for=\"%s\"",
		 ipport_str(from, text));
}

int target_forwarded_parse(const char *s, struct ipport *from)
{
	char text[IPPORT_STRLEN];
	size_t n;

	if (!str_starts(s, "for=\""))
		return -EINVAL;
	s += strlen("for=\"");
	n = strcspn(s, "\"");
	if (strcmp(s + n, "\"") != 0 || n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = 0;
	return ipport_parse(from, text);
}

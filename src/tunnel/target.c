/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/target.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define UDP_PREFIX "/.well-known/masque/udp/"
#define ECHO_PREFIX "/.well-known/ktctl/echo/"

static void encode(char out[3 * IPADDR_STRLEN], const struct ipaddr *a)
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

	encode(addr, &dst->addr);
	snprintf(out, TARGET_PATH_MAX, UDP_PREFIX "%s/%u/", addr, dst->port);
}

void target_echo_path(char out[TARGET_PATH_MAX], const struct ipaddr *dst)
{
	char addr[3 * IPADDR_STRLEN] = "";

	encode(addr, dst);
	snprintf(out, TARGET_PATH_MAX, ECHO_PREFIX "%s/", addr);
}

int target_udp_parse(const char *path, struct ipport *dst)
{
	char port[8];
	const char *p = path + strlen(UDP_PREFIX);
	size_t n;
	long v;

	if (!str_starts(path, UDP_PREFIX) || decode(&p, &dst->addr) < 0)
		return -EINVAL;
	n = strcspn(p, "/");
	if (p[n] != '/' || p[n + 1] || n >= sizeof(port))
		return -EINVAL;
	memcpy(port, p, n);
	port[n] = 0;
	if (str_to_long(port, &v) < 0 || v < 1 || v > 65535)
		return -EINVAL;
	dst->port = (uint16_t)v;
	return 0;
}

int target_echo_parse(const char *path, struct ipaddr *dst)
{
	const char *p = path + strlen(ECHO_PREFIX);

	if (!str_starts(path, ECHO_PREFIX) || decode(&p, dst) < 0 || *p)
		return -EINVAL;
	return 0;
}

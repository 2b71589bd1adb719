/* SPDX-License-Identifier: Apache-2.0 */
#include "net/device.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* The first that fits, by kind and by how the name begins; NULL: any */
static const struct {
	const char *kind, *name, *text;
} device_kinds[] = {
	{ "bridge", "docker", "a bridge of Docker" },
	{ "bridge", "br-", "a bridge of Docker" },
	{ "bridge", "podman", "a bridge of Podman" },
	{ "bridge", "cni-podman", "a bridge of Podman" },
	{ "bridge", "virbr", "a bridge of libvirt" },
	{ "bridge", "lxdbr", "a bridge of LXD" },
	{ "bridge", "lxcbr", "a bridge of LXC" },
	{ "bridge", "incusbr", "a bridge of Incus" },
	{ "bridge", "cni", "a bridge of Pods of this machine" },
	{ "bridge", NULL, "a bridge" },
	{ "wireguard", NULL, "a VPN, WireGuard" },
	{ "tun", "tailscale", "a VPN, Tailscale" },
	{ "tun", NULL, "a VPN, or another program's tunnel" },
	{ "ppp", NULL, "a VPN or modem, PPP" },
	{ "xfrm", NULL, "a VPN, IPsec" },
	{ "vti", NULL, "a VPN, IPsec" },
	{ "vti6", NULL, "a VPN, IPsec" },
	{ "vxlan", NULL, "a VXLAN" },
	{ "veth", NULL, "a container's link" },
	{ "", "ppp", "a VPN or modem, PPP" },
};

const char *device_describe(char *dst, size_t size, const char *ifname,
			    const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(device_kinds); i++) {
		const char *name = device_kinds[i].name;

		if (strcmp(kind, device_kinds[i].kind) != 0 ||
		    (name && !str_starts(ifname, name)))
			continue;
		snprintf(dst, size, "%s (%s)", ifname, device_kinds[i].text);
		return dst;
	}
	if (*kind)
		snprintf(dst, size, "%s (%s)", ifname, kind);
	else
		snprintf(dst, size, "%s", ifname);
	return dst;
}

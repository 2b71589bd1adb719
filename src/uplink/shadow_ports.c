/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_ports.h"

#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* An item begins with PORT, or PORT/udp */
static bool shadow_ports_serves(const char *serve, uint16_t port)
{
	const char *item = serve;

	while (item) {
		char *end;

		if (strtoul(item, &end, 10) == port && !str_starts(end, "/udp"))
			return true;
		item = strchr(item, ',');
		if (item)
			item++;
	}
	return false;
}

uint16_t shadow_ports_free(const char *serve, uint16_t from)
{
	while (shadow_ports_serves(serve, from))
		from++; /* they are fewer than the ports above 7070 */
	return from;
}

uint16_t shadow_ports_tunnel(const json_t *pod)
{
	const json_t *c, *args;
	uint16_t port;
	size_t i, k;

	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c) {
		if (!str_eq(json_str(c, "name", NULL), KT_CONTAINER))
			continue;
		args = json_object_get(c, "args");
		for (k = 0; k + 1 < json_array_size(args); k++) {
			const char *name =
				json_string_value(json_array_get(args, k));
			const char *value =
				json_string_value(json_array_get(args, k + 1));

			if (str_eq(name, "--listen") && value &&
			    str_to_port(value, &port) == 0)
				return port;
		}
	}
	return SHADOW_TUNNEL_PORT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_INFO_H
#define KT_SHADOW_INFO_H

#include <stdbool.h>

struct mux_stream;
struct serve;
struct shadow;

/* comma-separated prefixes */
#define KT_ENV_SERVICE_RANGES "SHADOW_SERVICE_RANGES"
#define KT_ENV_POD_RANGES "SHADOW_POD_RANGES"

/** info_ranges_good() - each in @text is an address range */
bool info_ranges_good(const char *text);

/** info_serve() - what the shadow knows of the Pod's network, and how many
 *  callers its ports (@sv, may be NULL) have had; @s is taken */
void info_serve(struct shadow *sh, const struct serve *sv,
		struct mux_stream *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_INFO_H
#define KT_SHADOW_INFO_H

struct mux_stream;
struct serve;
struct shadow;

/** info_serve() - what the shadow knows of the Pod's network, and how many
 *  callers its ports (@sv, may be NULL) have had; @s is taken */
void info_serve(struct shadow *sh, const struct serve *sv,
		struct mux_stream *s);

#endif

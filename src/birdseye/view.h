/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_VIEW_H
#define KT_BIRDSEYE_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** view_print_table() - @view (docs/schema/birdseye.json) for people, on
 * stdout: one line for each Service, or for each who has it */
void view_print_table(const json_t *view, int64_t now, bool namespaces);
/** view_print_json() - in one line where @compact */
void view_print_json(const json_t *view, bool compact);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_YAML_H
#define KT_CLI_YAML_H

#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>

/** yaml_write() - append a YAML document of any JSON value; 0 or -errno */
KT_CHECK int yaml_write(struct buf *b, const json_t *value);
/** yaml_write_at() - the same, every line @indent spaces to the right; @value
 * is not empty */
KT_CHECK int yaml_write_at(struct buf *b, const json_t *value, int indent);
/** yaml_print() - the same on stdout */
void yaml_print(const json_t *value);

#endif

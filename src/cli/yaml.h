/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_YAML_H
#define KT_CLI_YAML_H

#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>

/** yaml_write() - append a YAML document of any JSON value; 0 or -errno. Keys
 *  are those of Kubernetes: without control characters. */
KT_CHECK int yaml_write(struct buf *b, const json_t *value);
/** yaml_print() - the same on stdout */
void yaml_print(const json_t *value);

#endif

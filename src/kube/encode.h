/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_ENCODE_H
#define KT_KUBE_ENCODE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** base64_decode() - white space allowed; returned (caller frees), NUL-ended
 *  behind @len bytes, or NULL when @text is not base64 */
char *base64_decode(const char *text, size_t *len);
/** base64_encode() - returned (caller frees) */
char *base64_encode(const void *data, size_t len);

/** blank_trim() - white space off both ends, in place; returns @s */
char *blank_trim(char *s);
/** field_value_ok() - @s can be the value of an HTTP field (RFC 9110, 5.5): no
 *  control character but a tab */
bool field_value_ok(const char *s);

/** uri_put() - append @s with every byte but RFC 3986 unreserved ones as %XX */
KT_CHECK int uri_put(struct buf *b, const char *s);

/** rfc3339_parse() - "2026-11-22T18:14:05[.5]Z" or with an offset; Unix
 *  seconds, or -1 when it is none */
int64_t rfc3339_parse(const char *s);
#define RFC3339_STRLEN 32
/** rfc3339_format() - in UTC, whole seconds; returns @dst */
const char *rfc3339_format(int64_t unix_seconds, char dst[RFC3339_STRLEN]);

#endif

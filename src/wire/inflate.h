/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_INFLATE_H
#define KT_WIRE_INFLATE_H

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Reading gzip
 *
 * One member of RFC 1952 in memory, into memory. For the loader, which has no C
 * library (shadow/start.c): no allocation, nothing from outside but memcpy()
 * and memset(). The check sum of the format is not looked at, because who calls
 * has a better one.
 */

/** gzip_size() - how large it is unpacked, as it says itself (modulo 2^32); 0
 *  when @in is no gzip file of one member without optional fields */
uint32_t gzip_size(const uint8_t *in, size_t n);

/** gzip_inflate() - @in unpacked into @out, which must be exactly as large as
 *  the data. 0, or -EPROTO */
int gzip_inflate(const uint8_t *in, size_t n, uint8_t *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_STATUS_H
#define KT_TUNNEL_STATUS_H

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Failures on the wire
 *
 * A refused stream carries an HTTP status and a Proxy-Status field (RFC 9209)
 * whose error type says what the shadow met; the laptop makes the errno of it
 * again that a program in the Pod would have seen.
 */

#define STATUS_FIELD_MAX 320

/** status_format() - the field value for @error (positive errno) and a text */
void status_format(char out[STATUS_FIELD_MAX], int error, const char *detail);
/**
 * status_parse() - the errno in a field value of @len bytes
 * @detail: gets the text (or "")
 * Return: positive errno; EPROTO when nothing is understood.
 */
int status_parse(const char *value, size_t len, char *detail, size_t size);
/** status_http() - the HTTP status that goes with @error (RFC 9209, 2.3) */
int status_http(int error);
/** status_errno() - for an answer without Proxy-Status: by HTTP status */
int status_errno(int http);

/** status_rst_code() - the error code (RFC 9113, 7) of an RST_STREAM for @error
 *  (positive errno, 0: NO_ERROR) */
uint32_t status_rst_code(int error);
/** status_rst_errno() - 0 or -errno for the code of one that came */
int status_rst_errno(uint32_t code);

#endif

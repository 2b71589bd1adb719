/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_FETCH_H
#define KT_TUNNEL_FETCH_H

#include <stddef.h>
#include <stdint.h>

struct fetch;
struct tunnel;

/** fetch_fn - 0 with the body (borrowed), or -errno; the handle is gone */
typedef void (*fetch_fn)(void *user, int error, const uint8_t *body,
			 size_t len);

/**
 * fetch_start() - one request with a small body, one answer with a bounded one
 * @body: copied; NULL: none, the method is GET instead of POST
 * @max: bytes of the answer that are accepted
 * Return: the handle until @done, or NULL with errno.
 */
struct fetch *fetch_start(struct tunnel *t, const char *path,
			  const char *content_type, const uint8_t *body,
			  size_t len, size_t max, fetch_fn done, void *user);
/** fetch_cancel() - give up; @done is not called */
void fetch_cancel(struct fetch *f);

#endif

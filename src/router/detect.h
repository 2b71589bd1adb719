/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_DETECT_H
#define KT_ROUTER_DETECT_H

#include <stddef.h>

/** enum detect - what a caller speaks */
enum detect {
	DETECT_MORE, /* cannot tell yet; never with DETECT_MAX bytes */
	DETECT_LINE, /* a request line, whose version has not come yet; never
			with as many bytes as a head may have */
	DETECT_HTTP1,
	DETECT_HTTP2, /* the client preface, RFC 9113 section 3.4 */
	DETECT_TLS,
	DETECT_OTHER,
};

#define DETECT_MAX 64

/** detect() - look at the first @n bytes of a connection */
enum detect detect(const void *data, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_SITE_H
#define KT_MAP_SITE_H

#include "base/error.h"

#include <stddef.h>

/**
 * DOC: The page's server
 *
 * libmicrohttpd, without a thread of its own: its epoll descriptor is one of
 * our loop's. It listens on 127.0.0.1 at a port that the kernel chooses, and
 * answers what guard.h lets pass with the page, the state, or the stream of
 * events. The number of connections and of streams is bounded; one that takes
 * nothing for SITE_SILENT_S is closed, and one that has not shown the token
 * yet after SITE_STRANGER_S. It changes nothing, anywhere.
 */

#define SITE_CONNECTIONS 128
#define SITE_STREAMS 16
#define SITE_SILENT_S 20
#define SITE_STRANGER_S 5

struct board;
struct loop;
struct site;

/** site_new() - @board is borrowed; @proof: see page_init(), the board has it,
 *  too; 0 or -errno with @err */
KT_CHECK int site_new(struct site **out, struct loop *l, struct board *board,
		      const char *proof, struct kt_error *err);
/** site_free() - not from a handler; NULL is allowed */
void site_free(struct site *w);
/** site_url() - with the token; returned (caller frees) */
char *site_url(const struct site *w);
/** site_pages() - how many listen */
size_t site_pages(const struct site *w);
/** site_on_page() - @fn is called when one begins to */
void site_on_page(struct site *w, void (*fn)(void *user), void *user);
/** site_wake() - the board has something new */
void site_wake(struct site *w);

#endif

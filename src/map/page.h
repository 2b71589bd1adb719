/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_PAGE_H
#define KT_MAP_PAGE_H

/** struct page - the page, all in one: style and script are in it */
struct page {
	char *html;
	char *policy; /* Content-Security-Policy: these two, by their hashes,
			 and a connection back to us; nothing else */
};

/** page_init() - @proof: by it the page knows its server again; of letters */
void page_init(struct page *p, const char *proof);
void page_fini(struct page *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "map/page.h"

#include "base/mem.h"
#include "kube/encode.h"
#include "map_page.h" /* page.html, page.css, page.js by tools/embed */

#include <openssl/evp.h>
#include <string.h>

#define PAGE_STYLE "/*STYLE*/"
#define PAGE_SCRIPT "/*SCRIPT*/"
#define PAGE_PROOF "/*PROOF*/"

/* @whole with @part in the place of @mark (returned) */
static char *page_put(const char *whole, const char *mark, const char *part)
{
	const char *at = strstr(whole, mark);

	return xasprintf("%.*s%s%s", (int)(at - whole), whole, part,
			 at + strlen(mark));
}

/* sha256-... (CSP level 3, 2.3.1) of an element's text (returned) */
static char *page_hash(const char *text)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	auto_free char *text64 = NULL;
	unsigned int n = 0;

	EVP_Digest(text, strlen(text), sum, &n, EVP_sha256(), NULL);
	text64 = base64_encode(sum, n);
	return xasprintf("'sha256-%s'", text64);
}

void page_init(struct page *p, const char *proof)
{
	auto_free char *style = page_hash(page_css);
	auto_free char *script = page_hash(page_js);
	auto_free char *named = page_put(page_html, PAGE_PROOF, proof);
	auto_free char *half = page_put(named, PAGE_STYLE, page_css);

	p->html = page_put(half, PAGE_SCRIPT, page_js);
	p->policy =
		xasprintf("default-src 'none'; style-src %s; script-src %s; "
			  "connect-src 'self'; img-src data:; base-uri 'none'; "
			  "form-action 'none'; frame-ancestors 'none'",
			  style, script);
}

void page_fini(struct page *p)
{
	free(p->html);
	free(p->policy);
}

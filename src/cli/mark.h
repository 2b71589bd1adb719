/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_MARK_H
#define KT_CLI_MARK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: --versionMark
 *
 *     VALUE       requests with the header "version: VALUE"
 *     KEY:VALUE   requests with the header "KEY: VALUE"
 *     KEY:        likewise, with five random letters as value
 *     (empty)     "version" with five random letters
 *
 * KEY is [a-z][a-z0-9_-]*; another one becomes "version", as in KT Connect.
 */

#define MARK_KEY "version"

struct mark {
	char key[64];
	char value[128];
	bool key_replaced; /* it was not fit to be one */
};

/** mark_parse() - @text may be NULL */
KT_CHECK int mark_parse(struct mark *m, const char *text, struct kt_error *err);
/** mark_header() - "VERSION: value" into @dst; returns @dst */
const char *mark_header(const struct mark *m, char *dst, size_t size);
/** mark_is_label() - key and value can be a label of a Pod */
bool mark_is_label(const struct mark *m);

#define OBJECT_NAME_LEN 64
/**
 * mark_object_name() - "SERVICE-kt-mesh-VALUE", made fit for a DNS label: what
 * had to be changed or cut is made up for by a hash, so that two marks never
 * have one name
 */
const char *mark_object_name(const struct mark *m, const char *service,
			     char dst[OBJECT_NAME_LEN]);

#endif

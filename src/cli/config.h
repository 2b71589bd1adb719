/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_CONFIG_H
#define KT_CLI_CONFIG_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: The configuration file
 *
 * ~/.kt/config, shared with KT Connect: YAML of two levels, every value a
 * string:
 *
 *	connect:
 *	  dns-mode: "hosts"
 *
 * An item's name is "<group>.<item>", dashes and lower case. Items of KT
 * Connect's commands that do not exist here are kept as they are.
 */

struct home;

/** struct config_entry - one set item; the strings are owned */
struct config_entry {
	char *group, *item, *value;
};

/** struct config - the set items, in the file's order */
struct config {
	struct config_entry *v;
	size_t n;
};

#define CONFIG_MAX_SIZE ((size_t)1 << 20)

/** config_parse() - read the text of a file; -EINVAL with @err when it is
 *  damaged, then @cfg is empty; free with config_fini() */
KT_CHECK int config_parse(struct config *cfg, const char *text, size_t len,
			  struct kt_error *err);
/** config_print() - the file's text; 0, or -EINVAL for a value that YAML
 *  cannot hold */
KT_CHECK int config_print(const struct config *cfg, struct buf *out);
void config_fini(struct config *cfg);

/** config_load() - parse ~/.kt/@sub/@name; no file is an empty config */
KT_CHECK int config_load(struct config *cfg, const struct home *h,
			 const char *sub, const char *name,
			 struct kt_error *err);
/** config_save() - replace ~/.kt/@sub/@name */
KT_CHECK int config_save(const struct config *cfg, const struct home *h,
			 const char *sub, const char *name,
			 struct kt_error *err);

/** config_value() - borrowed, NULL when the item is not set */
const char *config_value(const struct config *cfg, const char *group,
			 const char *item);
void config_set(struct config *cfg, const char *group, const char *item,
		const char *value);
/** config_unset() - was it set? */
bool config_unset(struct config *cfg, const char *group, const char *item);

/** config_items - every known "group.item", NULL-terminated, in KT's order */
extern const char *const config_items[];
bool config_item_known(const char *item);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_ITEM_H
#define KT_APPLY_ITEM_H

#include "apply/file.h"
#include "apply/reader.h"

struct option;
struct suggest;

/** struct apply_flag - a flag with its text; owned */
struct apply_flag {
	const struct option *opt;
	char *text;
};

struct apply_flags {
	struct apply_flag *v;
	size_t n;
};

void apply_flags_fini(struct apply_flags *f);
/** apply_flags_read() - the value of key @opt->name, checked as the command
 *  line's */
KT_CHECK int apply_flags_read(struct apply_flags *f, struct apply_reader *r,
			      const struct option *opt, yaml_node_t *value);
/** apply_flags_offer() - the names of a table's rows that may be keys */
void apply_flags_offer(struct suggest *s, const struct option *table);
/** apply_flags_find() - the row of @table that key @name means, or NULL */
const struct option *apply_flags_find(const struct option *table,
				      const char *name);

/** apply_unknown() - refuse @key: "unknown key", with the nearest of @s */
int apply_unknown(struct apply_reader *r, const yaml_node_t *at,
		  const char *key, const struct suggest *s);

/**
 * apply_item_read() - one job of @c, a mapping or the words of a command line
 * (NULL: no words, no keys)
 * @common: the file's global flags
 */
KT_CHECK int apply_item_read(struct apply_item *item, struct apply_reader *r,
			     const struct command *c, yaml_node_t *node,
			     yaml_node_t *at, const struct apply_flags *common,
			     const struct apply_source *src);
void apply_item_fini(struct apply_item *item);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_CLI_H
#define KT_UNIT_CLI_H

#include "test.h"

#include "base/str.h"
#include "cli/config.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/resolve.h"

#include <stdlib.h>

/** struct cli - one command line, parsed and resolved */
struct cli {
	struct strv words;
	struct invocation inv;
	struct options o;
	struct kt_error err;
	int rc;
};

/* @line is split at blanks; "''" stands for an empty word */
static inline void cli_run_config(struct cli *c, const char *line,
				  const struct config *cfg)
{
	*c = (struct cli){ 0 };
	c->words = strv_split(line, ' ');
	for (size_t i = 0; i < c->words.n; i++)
		if (str_eq(c->words.v[i], "''"))
			c->words.v[i][0] = '\0';
	c->rc = parse_argv(&c->inv, (int)c->words.n, c->words.v, &c->err);
	if (c->rc == 0)
		c->rc = options_resolve(&c->o, &c->inv, cfg, &c->err);
}

static inline void cli_run(struct cli *c, const char *line)
{
	cli_run_config(c, line, NULL);
}

static inline void cli_fini(struct cli *c)
{
	options_fini(&c->o);
	invocation_fini(&c->inv);
	strv_fini(&c->words);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_HELP_H
#define KT_CLI_HELP_H

#include <stdio.h>

struct command;
struct config;

/**
 * help_print() - the help of @c, or of ktctl when it is NULL
 * @cfg: the configuration file, whose values are shown as defaults; or NULL
 */
void help_print(FILE *out, const struct command *c, const struct config *cfg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_PARSE_H
#define KT_CLI_PARSE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct command;
struct option;

/** struct given - one flag of the command line with its text, borrowed */
struct given {
	const struct option *opt;
	const char *text;
};

/** struct invocation - the words of a command line, sorted */
struct invocation {
	const struct command *command; /* NULL: ktctl alone */
	struct given *flags;	       /* in their order; later ones win */
	size_t nflags;
	char **args; /* positional arguments; NULL-terminated, if any */
	size_t nargs;
	size_t nbefore; /* of them before "--", where that was there */
	bool ended;	/* it was */
	bool help;	/* --help: the rest was not looked at */
	bool version;	/* --version, without a command */
};

/**
 * parse_argv() - sort the words of @argv by the command table
 *
 * GNU style: --flag value, --flag=value, -n value, -nvalue, -n=value, -df;
 * a bool takes a value only behind '='; "--" ends the flags; flags may stand
 * before and after the command. Values are not looked at (options_resolve()).
 * Return: 0, or -EINVAL with @err (and a hint) for a wrong command line; then
 * @inv->command is set as far as it was found.
 */
KT_CHECK int parse_argv(struct invocation *inv, int argc, char *const *argv,
			struct kt_error *err);

/** struct parse_context - where the end of an unfinished command line is */
struct parse_context {
	const struct command *command; /* NULL: none yet */
	const struct option *pending;  /* the next word is its value, or NULL */
	size_t nargs;		       /* positional arguments so far */
	const char *first;	       /* the first of them, or NULL */
	bool flags_ended;	       /* "--" was there */
};

/** parse_context() - of the complete words @argv[1..], for completion */
void parse_context(struct parse_context *ctx, int argc, char *const *argv);

void invocation_fini(struct invocation *inv);

#endif

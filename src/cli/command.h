/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_COMMAND_H
#define KT_CLI_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The command table
 *
 * One row per command, one row per option: parsing, --help, completion, the
 * configuration items, the environment variables and the check of the man
 * pages come from them. A value's way from text to the typed field of struct
 * options is value.c.
 *
 * Sub-commands are rows whose name has two words ("config show"), in order
 * behind the row of their parent, which has no run function.
 */

struct app;
struct options;

enum value_type {
	VALUE_BOOL,	 /* bool */
	VALUE_INT,	 /* int, min..max of the row */
	VALUE_FAMILY,	 /* int, 4 or 6 */
	VALUE_PORT,	 /* uint16_t, 1..65535 */
	VALUE_STRING,	 /* char *, NULL when empty; free text: prefer a type */
	VALUE_STRINGS,	 /* struct strv */
	VALUE_DOMAIN,	 /* char *, a DNS suffix */
	VALUE_DOMAINS,	 /* struct strv */
	VALUE_CHOICE,	 /* int, place in the row's choices */
	VALUE_IMAGE,	 /* char *, NULL when empty */
	VALUE_MARK,	 /* char *, NULL when empty; cli/mark.h */
	VALUE_MATCH,	 /* char *, NULL when empty; wire/rule.h */
	VALUE_LABELS,	 /* struct pairs */
	VALUE_PAIRS,	 /* struct pairs; annotations: any value */
	VALUE_SETTINGS,	 /* struct pairs; environment variables: any value, one
			    each time the flag is given */
	VALUE_ADDRESS,	 /* struct ipaddr */
	VALUE_PREFIXES,	 /* struct prefixes */
	VALUE_QUOTA,	 /* struct pod_quota */
	VALUE_DNS_MODE,	 /* connect_options.dns_mode */
	VALUE_EXPOSE,	 /* struct expose */
	VALUE_USER,	 /* long, as pod_options.run_as_user */
	VALUE_FAULTS,	 /* struct fault_list; joined by ';' */
	VALUE_EXPECT,	 /* char *, NULL when empty; control/expect.h */
	VALUE_DURATION,	 /* int64_t, ns; "90", "1m30s", "8h", "2d", "500ms";
			    min..max of the row in seconds */
	VALUE_IMAGE_OF,	 /* char *, NULL when empty; "[CONTAINER=]IMAGE" */
	VALUE_ENV_FROM,	 /* struct strv; "configmap/NAME", "secret/NAME" */
	VALUE_HOOK,	 /* char *, NULL when empty; "IMAGE [ARG...]",
			    "/PROGRAM ..." */
	VALUE_HEADER,	 /* char *, NULL when empty; wire/envmark.h */
	VALUE_VARIABLES, /* struct strv; names of environment variables, in
			    which '*' stands for any characters */
	VALUE_GATEWAY,	 /* char *, NULL when empty; "[NAMESPACE/]NAME" */
	VALUE_NTYPES_
};

/** struct option - one row of an option table */
struct option {
	const char *name; /* "includeIps" */
	char letter;	  /* of the short form, or 0 */
	enum value_type type;
	const char *fallback; /* default as text */
	const char *metavar;  /* "CIDR,...", NULL for a bool */
	const char *summary;
	const char *const *choices; /* NULL-terminated, or NULL */
	long min, max;		    /* VALUE_INT, VALUE_DURATION */
	size_t offset;		    /* of the field in struct options */
	bool hidden;		    /* not in help, man page, completion */
	bool no_config;		    /* neither configuration item nor env */
	bool not_empty; /* VALUE_STRING: an empty text is an error */
	bool is_name;	/* VALUE_STRING: of an object of Kubernetes */
	char repeats;	/* given again, it is one more: they are joined by this;
			   none may be empty. 0: the last one counts */
};

/** struct command - one row of the command table */
struct command {
	const char *name;    /* "connect", "config show" */
	const char *summary; /* one line of help */
	const char *args;    /* usage of the positional arguments, or "" */
	const char *details; /* more help, or NULL */
	const struct option *options; /* own ones; ends with a row without
					 name; or NULL */
	const char *group;	      /* of its configuration items, or NULL */
	size_t min_args, max_args;
	bool loop;    /* wants loop, progress, signals */
	bool session; /* runs until it is ended: has a control socket, can go
			 to the background */
	bool hidden;  /* helpers of the completion scripts */
	bool raw;     /* its arguments are not parsed (completion helper) */
	/** run() - returns the exit status; NULL for a parent row */
	int (*run)(struct app *app, const struct options *o);
	const struct command *more; /* of the last row, which has no name: where
				       the table goes on, or NULL */
};

extern const struct command command_table[]; /* ends with a row without name */
extern const struct option global_option_table[];

#define MAX_ARGS ((size_t)1 << 20)

/** command_next() - the row behind @c, NULL: the first; or NULL */
const struct command *command_next(const struct command *c);
/** command_is_child() - @c is a sub-command of @parent */
bool command_is_child(const struct command *c, const struct command *parent);
/** command_find() - by full name ("config show"), or NULL */
const struct command *command_find(const char *name);
/** command_word() - the last word of its name */
const char *command_word(const struct command *c);

/** option_find() - "includeIps", or "include-ips", among @table (may be NULL),
 *  or NULL */
const struct option *option_find(const struct option *table, const char *name,
				 size_t len);
const struct option *option_find_letter(const struct option *table,
					char letter);

/** option_item() - "include-ips" of "includeIps" into @dst; returns @dst */
const char *option_item(const struct option *opt, char *dst, size_t size);
/** option_env() - "KTCTL_CONNECT_INCLUDE_IPS"; items of the group "global"
 *  have no group in it */
const char *option_env(const struct option *opt, const char *group, char *dst,
		       size_t size);
/** option_by_item() - "connect.include-ips" to its row, or NULL */
const struct option *option_by_item(const char *item);

/** for_each_option() - over a table that may be NULL */
#define for_each_option(opt, table)                                            \
	for ((opt) = (table); (opt) && (opt)->name; (opt)++)
#define for_each_command(cmd)                                                  \
	for ((cmd) = command_next(NULL); (cmd); (cmd) = command_next(cmd))

#define ITEM_STRLEN 64

#endif

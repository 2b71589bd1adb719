/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_PRINT_H
#define KT_BASE_PRINT_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

/**
 * DOC: What reaches a terminal
 *
 * Much of what we print was written by others: a server's message, an object's
 * annotation, the words of a plugin. A terminal obeys what it is sent, and a
 * reader believes a line that begins with "ktctl:". So all that commands and
 * log lines say goes through here, as whole lines, and loses its power:
 *
 *   C0, C1, DEL                   \x1b, \u009b: is seen, does nothing
 *   bidirectional and line marks  \u202e, \u2028: likewise
 *   what is not UTF-8             \xff
 *   line ends                     a blank; those at the end go
 *
 * Only tabs are left. Nothing else of src/ writes to stdout or stderr but what
 * is ours letter by letter (tools/lint).
 */

/**
 * print_clean() - @src as it may be shown, in one line
 * Return: bytes in @dst without the NUL; cut where @size ends, between
 * characters.
 */
size_t print_clean(char *dst, size_t size, const char *src, size_t n);
/** print_line() - such a line, and its end */
void print_line(FILE *f, const char *fmt, ...) KT_PRINTF(2, 3);
/** print_text() - a text of several lines, each of them filtered */
void print_text(FILE *f, const char *text, size_t n);

#endif

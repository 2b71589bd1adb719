/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include "base/mem.h"

#include <string.h>

struct strv words_cut(const char *text, char sep)
{
	struct strv out = { 0 };
	const char *end;

	for (; (end = strchr(text, sep)); text = end + 1)
		strv_take(&out, xstrndup(text, (size_t)(end - text)));
	strv_add(&out, text);
	return out;
}

char *words_quote(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%_+=:,./-";
	char *text, *to;

	if (*word && !word[strspn(word, plain)])
		return xstrdup(word);
	/* a quote that stands in it takes four */
	text = to = xcalloc(4, strlen(word) + 1);
	*to++ = '\'';
	for (; *word; word++)
		if (*word == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *word;
	*to = '\'';
	return text;
}

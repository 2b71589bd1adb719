/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define WORDS_BLANK " \t\n"

struct strv words_cut(const char *text, char sep)
{
	struct strv out = { 0 };
	const char *end;

	for (; (end = strchr(text, sep)); text = end + 1)
		strv_take(&out, xstrndup(text, (size_t)(end - text)));
	strv_add(&out, text);
	return out;
}

static int words_split_one(const char **at, char *to)
{
	const char *p = *at;
	char quote = '\0';

	for (; *p && (quote || !strchr(WORDS_BLANK, *p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && !*++p)
			return -EINVAL;
		*to++ = *p;
	}
	*to = '\0';
	*at = p;
	return quote ? -EINVAL : 0;
}

int words_split(const char *text, struct strv *out)
{
	int rc = 0;

	*out = (struct strv){ 0 };
	for (text += strspn(text, WORDS_BLANK); rc == 0 && *text;
	     text += strspn(text, WORDS_BLANK)) {
		char *word = xcalloc(1, strlen(text) + 1);

		rc = words_split_one(&text, word);
		strv_take(out, word);
	}
	if (rc < 0)
		strv_fini(out);
	return rc;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* What is read can be written, and is read again as the same. */
#include "wire/clientline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int clientline_write(struct buf *b, const struct clientline *l)
{
	char who[CLIENTLINE_WHO_MAX];

	switch (l->kind) {
	case CLIENTLINE_SHADOW:
		return clientline_put_shadow(b, l->word);
	case CLIENTLINE_CLIENT:
		return clientline_put_client(b, l->away,
					     l->inbound ? l->word : NULL);
	case CLIENTLINE_RULE:
		return clientline_put_rule(b, &l->rule);
	case CLIENTLINE_WHO:
		return clientline_put_who(
			b,
			clientline_who(who, l->command, l->word, l->machine));
	default:
		return 0;
	}
}

static void same_again(const struct clientline *l)
{
	struct clientline again;
	struct buf b;

	buf_init(&b, 65536);
	if (clientline_write(&b, l) < 0)
		abort();
	if (b.len) {
		buf_data(&b)[b.len - 1] = 0; /* the LF */
		if (clientline_parse(&again, (char *)buf_data(&b), NULL) < 0 ||
		    again.kind != l->kind || again.away != l->away ||
		    again.inbound != l->inbound ||
		    strcmp(again.word, l->word) != 0 ||
		    !rule_same(&again.rule, &l->rule))
			abort();
	}
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kt_error err = { 0 };
	struct clientline l;
	char *line = malloc(size + 1);

	if (!line)
		abort();
	memcpy(line, data, size);
	line[size] = 0;
	if (clientline_parse(&l, line, &err) == 0)
		same_again(&l);
	else if (!err.msg[0])
		abort();
	free(line);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "run/keeper_impl.h"
#include "run/mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void keeper_files_note(int sock, const char *target,
			      const struct kt_error *why)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));

	m->type = KEEPER_NOTE;
	m->len = 1 + (size_t)snprintf(m->data, 4096,
				      "%.1024s of the Pod is not there: %s",
				      target, why->msg);
	(void)!keeper_send(sock, m);
	free(m);
}

/* The next word, or NULL */
static const char *keeper_files_word(const char **p, const char *end)
{
	const char *word = *p;
	size_t n = strnlen(word, (size_t)(end - word));

	if (word + n >= end)
		return NULL;
	*p = word + n + 1;
	return word;
}

static void keeper_files_place(int sock, int room, const char *p,
			       const char *end)
{
	struct mounts *m = mounts_new(room);
	const char *source, *target, *how;

	while ((source = keeper_files_word(&p, end)) &&
	       (target = keeper_files_word(&p, end)) &&
	       (how = keeper_files_word(&p, end))) {
		struct kt_error err = { 0 };

		if (mounts_place(m, source, target, strchr(how, 'd'),
				 strchr(how, 'r'), &err) < 0)
			keeper_files_note(sock, target, &err);
	}
	mounts_free(m);
}

int keeper_take_files(int sock, int room, int fd)
{
	struct stat st;
	auto_free char *text = NULL;
	size_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	n = (size_t)st.st_size;
	text = xmalloc(n + 1);
	if (pread(fd, text, n, 0) != (ssize_t)n)
		return -EIO;
	keeper_files_place(sock, room, text, text + n);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nft.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>

struct nft {
	struct nft_ctx *ctx;
};

int nft_new(struct nft **out, struct kt_error *err)
{
	struct nft *n;
	int fd;

	/* nft_ctx_new() ends the process when it gets no socket: ask before */
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0)
		return kt_fail(err, errno, "open nftables: %s",
			       strerror(errno));
	close(fd);
	n = malloc(sizeof(*n));
	if (!n)
		return kt_fail(err, ENOMEM, "open nftables: out of memory");
	n->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!n->ctx) {
		free(n);
		return kt_fail(err, ENOMEM, "open nftables: out of memory");
	}
	nft_ctx_buffer_output(n->ctx);
	nft_ctx_buffer_error(n->ctx);
	*out = n;
	return 0;
}

void nft_free(struct nft *n)
{
	if (!n)
		return;
	nft_ctx_free(n->ctx);
	free(n);
}

/* "/dev/stdin:3:1-9: Error: Could not process rule: reason" -> "reason" */
static void first_complaint(const char *text, char *out, size_t size)
{
	static const char error[] = "Error: ", rule[] = "process rule: ";
	const char *p = strstr(text ? text : "", error);

	p = p ? p + sizeof(error) - 1 : text;
	if (p && strstr(p, rule))
		p = strstr(p, rule) + sizeof(rule) - 1;
	snprintf(out, size, "%.*s", p ? (int)strcspn(p, "\n") : 0, p ? p : "");
}

int nft_run(struct nft *n, const char *text, const char *what,
	    struct kt_error *err)
{
	const char *said;
	char why[200];
	int saved;

	errno = 0;
	if (nft_run_cmd_from_buffer(n->ctx, text) == 0) {
		(void)nft_ctx_get_error_buffer(n->ctx); /* empties it */
		return 0;
	}
	saved = errno ? errno : EINVAL;
	said = nft_ctx_get_error_buffer(n->ctx);
	first_complaint(said, why, sizeof(why));
	log_debug("nft refused:\n%s%s", text, said ? said : "");
	return kt_fail(err, saved, "%s: nftables: %s", what,
		       why[0] ? why : strerror(saved));
}

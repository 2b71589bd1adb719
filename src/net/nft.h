/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_NFT_H
#define KT_NET_NFT_H

#include "base/error.h"
#include "base/loop.h"

/**
 * DOC: nftables
 *
 * Rules are given to the program nft(8), a child of ours. Its library has
 * another licence than ours can be combined with (GPL-2.0-only), and is a
 * shared one only. A struct nft works on the network namespace in which it was
 * made. A table with `flags owner` lives as long as the struct nft that created
 * it: the kernel removes it with the child's socket, and the child ends with
 * us, also when we are killed.
 */

struct nft;

/** nft_new() - in the present namespace; returned (nft_free()). -ENOENT: there
 *  is no nft on this machine */
KT_CHECK int nft_new(struct nft **out, struct kt_error *err);
void nft_free(struct nft *n);

/**
 * nft_begin(), nft_give(), nft_await() - nft_new() and the first nft_run() for
 * who has something else to do while the program starts, and while the kernel
 * makes the rules, which takes longer
 * @loop: runs meanwhile, and in nft_run(), until nft_serve_none(); top-level
 * code only. NULL: nothing does
 */
KT_CHECK int nft_begin(struct nft **out, struct loop *loop,
		       struct kt_error *err);
KT_CHECK int nft_give(struct nft *n, const char *text, struct kt_error *err);
KT_CHECK int nft_await(struct nft *n, const char *what, struct kt_error *err);
void nft_serve_none(struct nft *n);

/**
 * struct nft_last - those that keep connection tracking on; zero: none yet
 *
 * Where nobody else's rules need it, the kernel tracks connections as long as
 * ours do. One that ends after them would be remembered as open for days.
 */
struct nft_last {
	struct nft *v[2];
	size_t n;
};

/**
 * nft_free_last() - nothing in @table has any force from now on, but the kernel
 * goes on to track connections until nft_last_free()
 * @n: taken
 * @table: of family inet, with an owner
 * @last: NULL, or full: as nft_free()
 */
void nft_free_last(struct nft *n, const char *table, struct nft_last *last);
/** nft_last_free() - after the last connection of ours is closed */
void nft_last_free(struct nft_last *last);

/** nft_follow() - from now on, when nft is killed, another one is started and
 *  given all that this one has been given by nft_run(). It is to be called
 *  before that, and the namespace has to be that of nft_new() for good. */
KT_CHECK int nft_follow(struct nft *n, struct loop *l);

/**
 * nft_run() - apply a ruleset text in one transaction: all of it or nothing
 * @what: names it for the message ("redirect port 53")
 * Return: 0, or -errno with nft's first complaint in @err. Nothing is printed.
 */
KT_CHECK int nft_run(struct nft *n, const char *text, const char *what,
		     struct kt_error *err);

#endif

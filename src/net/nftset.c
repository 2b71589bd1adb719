/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nftset.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#define PER_MESSAGE 32

static void nftset_bracket(struct nlmsg *m, uint16_t type)
{
	struct nfgenmsg *nf = nlmsg_init(m, type, 0, sizeof(*nf));

	nf->nfgen_family = AF_UNSPEC;
	nf->version = NFNETLINK_V0;
	nf->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

static void nftset_elements(struct nlmsg *m, const char *table, const char *set,
			    bool add, const uint16_t *ports, size_t n)
{
	uint16_t type = NFNL_SUBSYS_NFTABLES << 8 |
			(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
	struct nfgenmsg *nf =
		nlmsg_init(m, type, add ? NLM_F_CREATE : 0, sizeof(*nf));
	size_t all;

	nf->nfgen_family = NFPROTO_INET;
	nf->version = NFNETLINK_V0;
	nlmsg_put_str(m, NFTA_SET_ELEM_LIST_TABLE, table);
	nlmsg_put_str(m, NFTA_SET_ELEM_LIST_SET, set);
	all = nlmsg_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
	for (size_t i = 0; i < n; i++) {
		size_t one = nlmsg_nest(m, NFTA_LIST_ELEM | NLA_F_NESTED);
		size_t key = nlmsg_nest(m, NFTA_SET_ELEM_KEY | NLA_F_NESTED);
		uint16_t port = htons(ports[i]);

		nlmsg_put(m, NFTA_DATA_VALUE, &port, sizeof(port));
		nlmsg_nest_end(m, key);
		nlmsg_nest_end(m, one);
	}
	nlmsg_nest_end(m, all);
}

int nftset_ports(struct nlsock *s, const char *table, const char *set, bool add,
		 const uint16_t *ports, size_t n)
{
	size_t parts = (n + PER_MESSAGE - 1) / PER_MESSAGE;
	struct nlmsg *m;
	int rc;

	if (!n)
		return 0;
	m = calloc(parts + 2, sizeof(*m));
	if (!m)
		return -ENOMEM;
	nftset_bracket(&m[0], NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < parts; i++)
		nftset_elements(&m[i + 1], table, set, add,
				ports + i * PER_MESSAGE,
				MIN(n - i * PER_MESSAGE, (size_t)PER_MESSAGE));
	nftset_bracket(&m[parts + 1], NFNL_MSG_BATCH_END);
	rc = nlsock_batch(s, m, parts + 2);
	free(m);
	return rc;
}

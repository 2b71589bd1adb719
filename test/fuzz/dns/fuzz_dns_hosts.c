/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block that is put in and taken out again leaves the other bytes alone. (Not
 * so where markers without partners, nested around a block, make a pair once
 * the block is gone: such a file is left at the first look.)
 */
#include "dns/hosts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(struct buf *out, const struct buf *in,
		   const struct hosts_list *list)
{
	buf_init(out, HOSTS_MAX);
	if (hosts_render(out, (const char *)buf_data(in), in->len, list) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file, first, without, with, twice, back;
	struct hosts_list list = { 0 };
	struct ipaddr ip = { .family = AF_INET };

	buf_init(&file, HOSTS_MAX);
	if (buf_put(&file, data, size) < 0)
		return 0;
	hosts_list_add(&list, &ip, "web", "demo", "cluster.local", true);
	render(&first, &file, NULL);
	render(&without, &first, NULL);
	if (without.len != first.len)
		goto out;
	render(&with, &without, &list);
	render(&twice, &with, &list);
	render(&back, &with, NULL);
	if (twice.len != with.len || back.len != without.len)
		abort();
	if (with.len && memcmp(buf_data(&twice), buf_data(&with), with.len))
		abort();
	if (back.len && memcmp(buf_data(&back), buf_data(&without), back.len))
		abort();
	buf_fini(&with);
	buf_fini(&twice);
	buf_fini(&back);
out:
	hosts_list_fini(&list);
	buf_fini(&file);
	buf_fini(&first);
	buf_fini(&without);
	return 0;
}

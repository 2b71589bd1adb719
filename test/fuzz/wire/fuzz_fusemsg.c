/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from /dev/fuse. */
#include "wire/fusemsg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuse_init_out out;
	uint64_t id, count;
	struct fusemsg m;
	size_t n = 0;

	if (fusemsg_get(data, size, &m) < 0)
		return 0;
	if (m.name &&
	    (!m.len || (const uint8_t *)m.name < data ||
	     (const uint8_t *)m.name + m.len >= data + size || m.name[m.len]))
		abort();
	while (fusemsg_next_forget(&m, &id, &count))
		n++;
	if (n * sizeof(struct fuse_forget_one) > size)
		abort();
	if (m.opcode == FUSE_INIT && fusemsg_init(&m.init, &out) &&
	    out.flags & ~m.init.flags)
		abort();
	return 0;
}

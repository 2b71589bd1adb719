/* SPDX-License-Identifier: Apache-2.0 */
/* A whole conversation: what a caller and the backends say, in turns. Nothing
 * breaks, and when both sides have closed nothing is left.
 *
 * Input: turns of an operation, a length and so many bytes. */
#include "../../unit/router/rig.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(int fd)
{
	static uint8_t mem[65536];

	while (fd >= 0 && recv(fd, mem, sizeof(mem), 0) > 0)
		continue;
}

static void turn(struct rig *r, uint8_t op, const uint8_t *p, size_t n)
{
	struct rig_open *o = r->nopen ? &r->open[(op >> 4) % r->nopen] : NULL;
	bool have = o && o->fd >= 0;

	switch (op & 7) {
	case 0:
	case 1:
	case 2:
		if (r->caller >= 0)
			rig_write(r, r->caller, p, n);
		break;
	case 3:
	case 4:
		if (have)
			rig_write(r, o->fd, p, n);
		break;
	case 5:
		if (have)
			shutdown(o->fd, op & 8 ? SHUT_RDWR : SHUT_WR);
		break;
	case 6:
		if (r->caller >= 0)
			shutdown(r->caller, op & 8 ? SHUT_RDWR : SHUT_WR);
		break;
	default:
		r->refuse = op & 8 ? -ECONNREFUSED : 0;
	}
	rig_run(r);
	drain(r->caller);
	for (unsigned int i = 0; i < r->nopen; i++)
		drain(r->open[i].fd);
	rig_run(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig r;

	if (size < 1)
		return 0;
	if (data[0] & 16) {
		rig_init_dialled(&r);
	} else {
		rig_init(&r, data[0] & 1 ? ROUTER_HTTP : ROUTER_AUTO);
		r.mark = data[0] & 2 ? "dev.a" : NULL;
	}
	r.refuse_member = data[0] & 4 ? -ECONNREFUSED : 0;
	r.strict = data[0] & 8;
	for (size_t i = 1; i + 2 < size;) {
		size_t n = data[i + 1];

		if (n > size - i - 2)
			n = size - i - 2;
		turn(&r, data[i], data + i + 2, n);
		i += 2 + n;
	}
	shutdown(r.caller, SHUT_RDWR);
	/* more than once: a connection may be opened only now */
	for (int k = 0; k < 4; k++) {
		for (unsigned int i = 0; i < r.nopen; i++)
			if (r.open[i].fd >= 0)
				shutdown(r.open[i].fd, SHUT_RDWR);
		turn(&r, 7, NULL, 0);
	}
	if (r.conn)
		abort();
	rig_fini(&r);
	return 0;
}

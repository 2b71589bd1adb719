/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/lane.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define CTL_MAX (16 * 1024)
#define IOV_MAX_ 16
#define RAMP ((uint64_t)64 * 1024)
#define WAIT_MAX (60 * NS_SEC)
#define RATE_UNKNOWN (4 << 20) /* bytes/s, until it has delivered something */

struct lane *lane_new(struct session *s, struct loop *loop, struct carrier *c,
		      const struct carrier_handler *handler,
		      size_t inflight_max)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (!l) {
		carrier_close(c);
		return NULL;
	}
	l->session = s;
	l->loop = loop;
	l->carrier = c;
	buf_init(&l->ctl, CTL_MAX);
	inflight_init(&l->inflight, inflight_max);
	c->handler = handler;
	c->user = l;
	return l;
}

void lane_close(struct lane *l)
{
	carrier_close(steal_ptr(&l->carrier));
	loop_timer_stop(&l->ack_timer);
	buf_fini(&l->ctl);
	extents_fini(&l->under_way);
	loop_defer_free(l->loop, l);
}

void lane_ramp(struct lane *l)
{
	if (!l->heard)
		l->ramp = RAMP;
}

size_t lane_room(const struct lane *l)
{
	uint64_t used = l->sent - l->heard;
	uint64_t max = inflight_window_of(&l->inflight, l->of);

	if (extents_full(&l->under_way))
		return 0;
	if (l->ramp)
		max = MIN(max, l->ramp);
	return used < max ? (size_t)(max - used) : 0;
}

int64_t lane_wait(const struct lane *l, int64_t now)
{
	uint64_t rate = l->inflight.rate_mean;
	double wait = (double)(l->sent - l->heard) * (double)NS_SEC /
		      (double)(rate ? rate : RATE_UNKNOWN);

	if (l->sent == l->heard)
		return 0;
	return (int64_t)MIN(wait, (double)WAIT_MAX) + now - l->heard_at;
}

int lane_begin(struct lane *l, struct frame_hdr h, uint64_t at, size_t len)
{
	int rc = extents_put(&l->under_way, at, len);
	int64_t now = clock_ns();

	if (rc < 0)
		return rc;
	if (l->sent == l->heard)
		l->heard_at = now;
	h.seq = at;
	h.len = (uint32_t)len;
	frame_put_header(l->cur.header, &h);
	l->cur.header_left = FRAME_HEADER_LEN;
	l->cur.at = at;
	l->cur.left = len;
	l->cur.active = true;
	l->cur.begun = false;
	l->sent += len;
	inflight_sent(&l->inflight, l->sent, l->heard, now);
	return 0;
}

bool lane_has(const struct lane *l)
{
	return l->ctl.len || l->cur.active;
}

static int lane_add_cur(struct lane *l, const struct replay *replay,
			struct iovec *iov, int max)
{
	size_t len;
	int n = 0;

	if (!l->cur.active)
		return 0;
	if (l->cur.header_left) {
		iov[n].iov_base =
			l->cur.header + FRAME_HEADER_LEN - l->cur.header_left;
		iov[n++].iov_len = l->cur.header_left;
	}
	return n + replay_iov(replay, l->cur.at, l->cur.left, iov + n, max - n,
			      &len);
}

static int lane_add_ctl(struct lane *l, struct iovec *iov)
{
	if (!l->ctl.len)
		return 0;
	iov->iov_base = buf_data(&l->ctl);
	iov->iov_len = l->ctl.len;
	return 1;
}

static size_t lane_sent_ctl(struct lane *l, size_t n)
{
	size_t part = MIN(n, l->ctl.len);

	buf_take(&l->ctl, part);
	return n - part;
}

static size_t lane_sent_cur(struct lane *l, size_t n)
{
	size_t head, part;

	if (!l->cur.active || !n)
		return n;
	l->cur.begun = true;
	head = MIN(n, l->cur.header_left);
	l->cur.header_left -= head;
	part = MIN(n - head, l->cur.left);
	l->cur.left -= part;
	l->cur.at += part;
	if (!l->cur.left && !l->cur.header_left)
		l->cur.active = false;
	return n - head - part;
}

int lane_flush(struct lane *l, const struct replay *replay)
{
	bool cur_first = l->cur.active && l->cur.begun;
	struct iovec iov[IOV_MAX_];
	size_t want = 0, left;
	ssize_t rc;
	int n = 0;

	if (!cur_first)
		n += lane_add_ctl(l, iov);
	n += lane_add_cur(l, replay, iov + n, IOV_MAX_ - 1 - n);
	if (cur_first)
		n += lane_add_ctl(l, iov + n);
	for (int i = 0; i < n; i++)
		want += iov[i].iov_len;
	if (!n)
		return 0;
	rc = carrier_send(l->carrier, iov, n);
	if (rc == -EAGAIN) {
		l->blocked = true;
		return 0;
	}
	if (rc < 0)
		return (int)rc;
	left = (size_t)rc;
	if (!cur_first)
		left = lane_sent_ctl(l, left);
	left = lane_sent_cur(l, left);
	if (cur_first)
		lane_sent_ctl(l, left);
	l->blocked = (size_t)rc < want;
	return !l->blocked;
}

int lane_gather(struct lane *l, const struct replay *replay, struct buf *rest)
{
	size_t want = l->ctl.len;
	struct iovec iov[IOV_MAX_];
	int n = 0, rc = 0;

	if (l->cur.active && l->cur.begun) {
		want += l->cur.header_left + l->cur.left;
		n = lane_add_cur(l, replay, iov, IOV_MAX_ - 1);
	}
	buf_init(rest, want);
	n += lane_add_ctl(l, iov + n);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = buf_put(rest, iov[i].iov_base, iov[i].iov_len);
	return rc == 0 && rest->len < want ? -EMSGSIZE : rc;
}

int lane_heard(struct lane *l, uint64_t n, int64_t now)
{
	if (n > l->sent - l->cur.left)
		return -EPROTO;
	if (n <= l->heard)
		return 0;
	extents_drop(&l->under_way, n - l->heard);
	if (l->ramp)
		l->ramp += n - l->heard;
	l->heard = n;
	l->heard_at = now;
	inflight_acked(&l->inflight, n, now);
	return 0;
}

void lane_said(struct lane *l)
{
	l->ack_due = false;
	l->got_said = l->got;
	loop_timer_stop(&l->ack_timer);
}

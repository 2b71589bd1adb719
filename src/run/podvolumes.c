/* SPDX-License-Identifier: Apache-2.0 */
#include "run/podvolumes.h"

#include "base/mem.h"
#include "cli/options.h"
#include "run/borrow.h"
#include "run/podfs.h"
#include "run/podfs_mount.h"

#include <string.h>

struct files_far podvolumes_far(struct podvolumes *v, const struct options *o,
				bool supervised)
{
	struct files_far far = { .write = o->run.write, .why = v->why_not };
	struct kt_error err = { 0 };

	if (!o->run.in_pod)
		snprintf(v->why_not, sizeof(v->why_not),
			 "; --inPod lets them be read");
	else if (!supervised && podfs_check(&err) < 0)
		snprintf(v->why_not, sizeof(v->why_not), "; %.160s (%.300s)",
			 err.msg, err.hint);
	else
		far.there = !supervised;
	return far;
}

void podvolumes_guest(struct podvolumes *v, const struct borrow *b,
		      struct guest_config *cfg)
{
	struct sha256 sum;

	borrow_far(b, &v->names);
	if (!v->names.n)
		return;
	str_random(v->secret, PODVOLUMES_SECRET);
	sha256_init(&sum);
	sha256_add(&sum, v->secret, strlen(v->secret));
	sha256_end(&sum, v->digest);
	cfg->volumes = &v->names;
	cfg->digest = v->digest;
	cfg->container = b->found.spec;
}

void podvolumes_start(struct podvolumes *v, struct loop *l, struct tunnel *t)
{
	if (v->secret[0])
		v->podfs = podfs_new(l, t, v->secret);
}

void podvolumes_serve(struct podvolumes *v, int fd)
{
	if (v->podfs)
		podfs_serve(v->podfs, fd);
	else
		close(fd);
}

void podvolumes_stop(struct podvolumes *v)
{
	podfs_free(steal_ptr(&v->podfs));
}

void podvolumes_fini(struct podvolumes *v)
{
	podvolumes_stop(v);
	strv_fini(&v->names);
	explicit_bzero(v->secret, sizeof(v->secret));
}

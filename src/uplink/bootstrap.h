/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_BOOTSTRAP_H
#define KT_UPLINK_BOOTSTRAP_H

#include "cluster/base_image.h"
#include "cluster/objects.h"
#include "cluster/program.h"

/**
 * DOC: A Pod without an image of ours
 *
 * What a shadow Pod needs where no --image is given: the ConfigMap with the
 * program, and any image. Sequential, but for bootstrap_look().
 */

struct bootstrap {
	struct kube *kube; /* these three are borrowed */
	const char *ns;
	const struct pod_options *options;
	bool is_gate; /* of the gate alone, not of the shadow */
	/* program_place.before() of the ConfigMap; may be NULL */
	int (*before)(void *user, struct kt_error *err);
	void *user;
	const struct home *home;       /* program_place.home */
	const struct program *program; /* NULL: nothing is prepared */
	char name[PROGRAM_NAME_SIZE];  /* of its ConfigMap */
	char digest[SHA256_HEX];
	/* likewise the gate, where the Pod has one beside it (set before the
	 * Pod is prepared) */
	bool with_gate;
	const struct program *gate;
	char gate_name[PROGRAM_NAME_SIZE];
	char gate_digest[SHA256_HEX];
	struct base_image base;
	struct kube_op *look;
};

void bootstrap_init(struct bootstrap *b, struct kube *k, const char *ns,
		    const struct pod_options *o);
void bootstrap_fini(struct bootstrap *b);

/** bootstrap_inherit() - @b is prepared as @from is, if that is: for a Pod that
 *  takes the place of its */
void bootstrap_inherit(struct bootstrap *b, const struct bootstrap *from);
/** bootstrap_find() - what bootstrap_prepare() would use; makes nothing */
KT_CHECK int bootstrap_find(struct bootstrap *b, const json_t *selector,
			    struct kt_error *err);
/** bootstrap_prepare() - before a Pod is made; nothing where --image is given.
 *  @selector: labels of the Pods whose image is the first choice, or NULL */
KT_CHECK int bootstrap_prepare(struct bootstrap *b, const json_t *selector,
			       struct kt_error *err);
/** bootstrap_again() - before somebody else makes another Pod of ours: the
 *  ConfigMap is still there */
KT_CHECK int bootstrap_again(struct bootstrap *b, struct kt_error *err);
/** bootstrap_fill() - image and program into @s; borrowed from @b */
void bootstrap_fill(const struct bootstrap *b, struct shadow_spec *s);
/** bootstrap_look() - @pod is slow to start: was the ConfigMap that it mounts
 *  removed? Then it is made again; from the loop */
void bootstrap_look(struct bootstrap *b, const json_t *pod);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_PROGRAM_H
#define KT_CLUSTER_PROGRAM_H

#include "cluster/pod_options.h"
#include "kube/client.h"
#include "local/home.h"
#include "wire/sha256.h"

/**
 * DOC: Our programs, brought along
 *
 * Without --image a Pod of ours has any image that the cluster can pull, and
 * the program comes from a ConfigMap: packed, with the loader that unpacks it
 * (shadow/start.c). There is one for each namespace, version and architecture,
 * shared by everybody, never changed (immutable) and named by what is in it.
 * The gate, which few Pods need and which has no room beside the shadow, has
 * one of its own, likewise.
 */

#define KT_ROLE_PROGRAM "shadow-program"
#define PROGRAM_DIR "/ktctl" /* where a Pod mounts it */
#define PROGRAM_START "start"
#define PROGRAM_PACKED "shadow.gz"
#define PROGRAM_GATE_PACKED "gate.gz"
#define PROGRAM_NAME_SIZE 96

/** struct program - for nodes of one architecture */
struct program {
	const char *name; /* "shadow", "gate" */
	const char *arch; /* as Kubernetes calls it */
	const uint8_t *start, *packed;
	size_t nstart, npacked;
};

/** program_arch() - of the nodes that our Pods run on; borrowed, "" when the
 *  machine's has no name */
const char *program_arch(const struct pod_options *o);
/** program_at() - the shadows of this ktctl, its own architecture first; NULL:
 *  there are no more */
const struct program *program_at(size_t i);
/** program_for() - the shadow; NULL: this ktctl has none for @arch */
const struct program *program_for(const char *arch);

/** program_gate_for() - the gate, likewise */
const struct program *program_gate_for(const char *arch);

/** program_digest() - SHA-256 of the packed file, which the loader is told */
void program_digest(const struct program *p, char dst[SHA256_HEX]);
/** program_name() - of the ConfigMap: version, architecture, and eight digits
 *  of what is in it */
void program_name(const struct program *p, char dst[PROGRAM_NAME_SIZE]);

/** program_object() - the ConfigMap (returned, caller decrefs); @o: --withLabel
 *  and --withAnnotation, or NULL */
json_t *program_object(const struct program *p, const struct pod_options *o);
/** program_same() - @found is immutable and has exactly what is in @p */
bool program_same(const struct program *p, const json_t *found);
/** struct program_place - where it shall be; borrowed */
struct program_place {
	struct kube *kube;
	const char *ns;
	const struct pod_options *options;
	/* where it is remembered which one has been compared; NULL: nowhere */
	const struct home *home;
	/** before() - it is not there: shall it be made? 0, or -errno with
	 * @err; may be NULL */
	int (*before)(void *user, struct kt_error *err);
	void *user;
};

/**
 * program_ensure() - it is at @at, made or found by us. What somebody else has
 * put there under its name is an error (-EPROTO). Waits in the loop.
 *
 * One that is found is read as a whole, 0.75 MB, and compared. Every write of
 * an object changes its resourceVersion, and no two objects have one uid: so of
 * one that has been compared only these are read the next time.
 */
KT_CHECK int program_ensure(const struct program_place *at,
			    const struct program *p, struct kt_error *err);

/** program_used_by() - @obj, a Pod or a Deployment, mounts ConfigMap @name */
bool program_used_by(const json_t *obj, const char *name);
/** program_expired() - @obj is one of these ConfigMaps, and older than @age
 *  seconds at @now (Unix seconds) */
bool program_expired(const json_t *obj, int64_t now, int64_t age);

#endif

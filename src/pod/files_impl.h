/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_FILES_IMPL_H
#define KT_POD_FILES_IMPL_H

#include "pod/files.h"
#include "pod/volume.h"

#define FILES_NAME_SIZE 24

struct files_volume {
	char *name;
	enum volume_kind kind;
	bool ok; /* @tree is what it has; or it is empty */
	struct tree tree;
};

/** struct files_wish - a volumeMount as it is in the spec */
struct files_wish {
	char *path, *sub; /* @sub: "" or below the volume */
	size_t volume;
	bool read_only;
};

struct files_ask;

struct pod_files {
	struct kube *kube;
	struct pod_found *found;
	struct pod_sources *sources;
	struct files_volume *volume;
	size_t nvolume;
	struct files_wish *wish;
	size_t nwish;
	struct files_mount *mount;
	size_t nmount;
	int dir; /* borrowed */
	struct files_far far;
	/* following */
	struct timer timer;
	struct files_ask *asks; /* of the present round */
	size_t nasks, pending;
	bool pod_gone; /* tokens are for the account alone */
	bool told;     /* that a token cannot be renewed */
};

/** files_name() - "v3"; returns @dst */
const char *files_name(size_t volume, char dst[FILES_NAME_SIZE]);
/** files_spec() - of a volume, as the Pod is now; borrowed */
const json_t *files_spec(const struct pod_files *p,
			 const struct files_volume *v);
/** files_write_volume() - its tree, into its folder */
KT_CHECK int files_write_volume(const struct pod_files *p, size_t volume,
				struct kt_error *err);
/** files_each_token() - fn() for each serviceAccountToken of the volumes */
void files_each_token(struct pod_files *p,
		      void (*fn)(struct pod_files *p, const json_t *source));
/** files_follow_stop() - the requests of the present round */
void files_follow_stop(struct pod_files *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_KUBECONFIG_H
#define KT_KUBE_KUBECONFIG_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: kubeconfig
 *
 * Read as kubectl reads it. The files are, first that exists: --kubeconfig
 * (one path or a ':' list), $KUBECONFIG (a list), ~/.kube/config, and under
 * sudo the calling user's ~/.kube/config. Missing files of a list are skipped.
 * Files are merged per entry: the first file that has a cluster, user or
 * context of that name wins, the first current-context that is not empty wins.
 * Relative paths belong to the folder of the file that holds them. Without
 * any file, inside a Pod, the Pod's ServiceAccount is used.
 *
 * The result is one resolved identity: certificate files are read now, a
 * token file is re-read by auth.c, an exec plugin is run by auth.c.
 */

/** enum kube_interactive - does the plugin want the terminal? */
enum kube_interactive {
	KUBE_EXEC_NEVER,
	KUBE_EXEC_IF_AVAILABLE,
	KUBE_EXEC_ALWAYS,
};

/** struct kube_exec - credential plugin (client.authentication.k8s.io) */
struct kube_exec {
	char *api_version;
	char *command; /* absolute when it held a '/' */
	struct strv args;
	struct strv env; /* "NAME=value" */
	bool provide_cluster_info;
	enum kube_interactive interactive;
	char *install_hint;
	json_t *cluster; /* spec.cluster of the request, or NULL */
};

/** struct kube_config - one cluster, one user, one namespace; texts are NULL
 *  when they are not given */
struct kube_config {
	char *files; /* where it was found: --kubeconfig, or "" for the rest */
	struct strv parts; /* of the files those that have this context, its
			      cluster and its user, in their order */
	struct strv named; /* and the files that these two name */
	char *context;	   /* name; "" in a cluster */
	char *cluster;	   /* name of the cluster entry */
	char *namespace_;  /* of the context, or "default" */

	char *server; /* URL without trailing '/', may have a path */
	char *tls_server_name;
	char *proxy_url;
	char *ca_pem;
	char *roots_pem;  /* in place of the system's, where ca_pem is NULL */
	bool roots_alone; /* without the system's directory */
	bool insecure;	  /* insecure-skip-tls-verify */

	char *user; /* name of the user entry, "" when there is none */
	char *cert_pem, *key_pem;
	char *token;
	char *token_file;
	char *username, *password;
	struct kube_exec *exec;
	bool of_root; /* found in the home of root, who runs us */

	char *as, *as_uid;
	struct strv as_groups;
	json_t *as_extra; /* {"key": ["value", ...]} or NULL */
};

/** struct kube_config_source - where to look; all may be NULL */
struct kube_config_source {
	const char *files;   /* --kubeconfig: path or ':' list */
	const char *context; /* --context */
};

/** kube_config_load() - find, merge and resolve; 0 with *@out (returned, free
 *  with kube_config_free()), or -errno with @err */
KT_CHECK int kube_config_load(struct kube_config **out,
			      const struct kube_config_source *src,
			      struct kt_error *err);
/** kube_config_reload() - the same context of the same files, read again; *@out
 *  is NULL for a configuration that came from no file */
KT_CHECK int kube_config_reload(struct kube_config **out,
				const struct kube_config *c,
				struct kt_error *err);
void kube_config_free(struct kube_config *c);

/** kube_config_paths() - @list of --kubeconfig or $KUBECONFIG, each path from
 *  @dir on (NULL: as it is); no link is followed, because paths in a file
 * belong to the folder that it was named in; returned, caller frees */
char *kube_config_paths(const char *list, const char *dir);

/** kube_config_contexts() - append the names of all contexts of the files; 0 or
 *  -errno with @err */
KT_CHECK int kube_config_contexts(const struct kube_config_source *src,
				  struct strv *out, struct kt_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_COMPOSE_SIDECAR_H
#define KT_RUN_COMPOSE_SIDECAR_H

#include "base/error.h"

#include <jansson.h>

/**
 * DOC: A sidecar that runs "ktctl connect"
 *
 * The part that is the same in all of them. It is this machine's own ktctl, and
 * what that needs of this machine (its libraries and nft: /usr, /lib), mounted
 * read-only into the image that the service has; so nothing is pulled or built.
 * Of all capabilities it has CAP_NET_ADMIN, for "--mode sshuttle", and, where a
 * file of its kubeconfig can be read only by its owner, CAP_DAC_OVERRIDE: root
 * in a container of Docker's is not that. Credentials are here, and in no
 * service.
 */

struct home;
struct kube_config;
struct options;

/** compose_sidecar() - in *@out (returned); 0, or -errno with @err: with this
 *  kubeconfig there is none */
KT_CHECK int compose_sidecar(json_t **out, const struct options *o,
			     const struct kube_config *config,
			     const struct home *home, struct kt_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_VERSION_SHADOW_H
#define KT_KTCTL_VERSION_SHADOW_H

#include "base/error.h"

#include <jansson.h>

struct app;
struct options;

/**
 * version_shadows() - the versions of the shadows that run in the namespace
 *
 * Each is asked through a tunnel of its own, for a few seconds in all; nothing
 * is made or changed in the cluster. Waits in the loop.
 * @out: [{"pod", "role", "version"}], with "error" in place of "version" for
 * one that did not say (returned, caller decrefs)
 * Return: 0, or -errno with @err: the cluster could not be asked. -ENOENT:
 * there is no kubeconfig.
 */
KT_CHECK int version_shadows(struct app *app, const struct options *o,
			     json_t **out, struct kt_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_LIVE_H
#define KT_CLI_LIVE_H

#include "base/str.h"

/**
 * DOC: Names of the cluster, for completion
 *
 * Who presses Tab waits for a second at most, and sees no error. So the cluster
 * is asked by another process of this program, "ktctl __names KIND [OF]",
 * without a terminal, which is killed when its time is over: then there is no
 * name at all. Nothing is kept.
 */

#define LIVE_NS (900 * NS_MS)

#define LIVE_NAMESPACES "namespaces"
#define LIVE_SERVICES "services"
#define LIVE_WORKLOADS "workloads" /* deployment/NAME, statefulset/NAME */
#define LIVE_PODS "pods"	   /* pod/NAME */
#define LIVE_PORTS "ports"	   /* of a Service, as --expose wants them */
#define LIVE_CONTEXTS "contexts"   /* of the kubeconfig */
#define LIVE_ENVS "environments"
#define LIVE_MEMBERS "members" /* Services with a member in an environment */
#define LIVE_HOSTS "hosts"     /* that are an environment's (env share) */

/** live_names() - append "NAME" or "NAME<tab>DESCRIPTION"
 *  @words: the complete words of the line, from 1 on; flags that say which
 *  cluster and namespace are taken from them
 *  @of: the Service of LIVE_PORTS, the environment of LIVE_MEMBERS and
 *  LIVE_HOSTS, else NULL */
void live_names(const char *kind, const char *of, char *const *words,
		int nwords, struct strv *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_OFFER_ROLE_H
#define KT_CLI_OFFER_ROLE_H

#include "base/error.h"

/** offer_role() - after a refusal by RBAC: print on stderr what an
 *  administrator can apply, deploy/rbac/@role.yaml where it is enough; nothing
 *  for other errors */
void offer_role(const struct kt_error *err, const char *role);

/** offer_role_text() - deploy/rbac/@role.yaml; borrowed, NULL: there is none */
const char *offer_role_text(const char *role);

#endif

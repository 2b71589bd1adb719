/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_CREDENTIALS_H
#define KT_DOCTOR_CREDENTIALS_H

#include "doctor/finding.h"
#include "kube/kubeconfig.h"

#include <stdint.h>

/** credentials_cert_end() - notAfter of the first certificate of @pem, Unix
 *  seconds; -1: it cannot be read */
int64_t credentials_cert_end(const char *pem);
/** credentials_token_end() - "exp" of a JSON Web Token (RFC 7519, 4.1.4), Unix
 *  seconds; -1: it is none, or says nothing. It is not verified. */
int64_t credentials_token_end(const char *token);

/** credentials_check() - who we are, by what, and for how long yet; @now: Unix
 *  seconds */
void credentials_check(struct findings *f, const struct kube_config *cfg,
		       int64_t now);

#endif

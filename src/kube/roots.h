/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_ROOTS_H
#define KT_KUBE_ROOTS_H

#include "base/error.h"

#include <stdbool.h>

/**
 * roots_from_env() - the authorities that SSL_CERT_FILE and SSL_CERT_DIR name
 *
 * As kubectl takes them: each variable replaces the file, or the directories,
 * that the system has; what the other one does not replace stays. SSL_CERT_DIR
 * is a ':' list, and every file in it counts, whatever its name. Where neither
 * is set and libcurl looks in a place that this system does not have, it is the
 * system's own file.
 * @pem: the authorities (returned, caller frees), NULL: those that libcurl
 * finds
 * @alone: the system's directory does not count beside them
 * Return: 0, or -errno with @err
 */
KT_CHECK int roots_from_env(char **pem, bool *alone, struct kt_error *err);

#endif

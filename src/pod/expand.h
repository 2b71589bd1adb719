/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_EXPAND_H
#define KT_POD_EXPAND_H

/** expand_fn - the value of a variable, or NULL; borrowed */
typedef const char *(*expand_fn)(void *user, const char *name);

/**
 * expand_text() - $(NAME) in @text as the kubelet replaces it: $$ is one $,
 * what has no value stays as it is (returned, caller frees)
 */
char *expand_text(const char *text, expand_fn value, void *user);

#endif

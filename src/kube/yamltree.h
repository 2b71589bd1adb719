/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_YAMLTREE_H
#define KT_KUBE_YAMLTREE_H

#include "base/error.h"

#include <jansson.h>

/* Bounds: a file that passes one is refused. */
#define YAML_MAX_SIZE ((size_t)4 << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 200000 /* counted with every alias expanded */

/**
 * yaml_parse() - the first document of a YAML (or JSON) text as a JSON tree
 * @name: the file's name, for messages ("name:line: ...")
 *
 * Plain scalars become null, true/false, or an integer that prints the same;
 * everything else is a string. Anchors, aliases and merge keys are resolved;
 * an aliased node is shared, so the tree must not be changed. An empty text
 * gives null.
 * Return: the tree (returned, caller decrefs), or NULL with @err.
 */
json_t *yaml_parse(const char *text, size_t len, const char *name,
		   struct kt_error *err);

#endif

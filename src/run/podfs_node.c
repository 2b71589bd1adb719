/* SPDX-License-Identifier: Apache-2.0 */
#include "run/podfs_node.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define PODFS_CHAINS_MIN 256

/* --- chains --------------------------------------------------------------- */

static size_t podfs_node_slot(const struct podfs_nodes *t, uint64_t id)
{
	return (size_t)(id * 0x9E3779B97F4A7C15u >> 32) & (t->size - 1);
}

static size_t podfs_node_name_slot(const struct podfs_nodes *t,
				   const struct podfs_node *parent,
				   const char *name, size_t len)
{
	return (size_t)(hash_bytes(name, len) ^ parent->id) & (t->size - 1);
}

static void podfs_node_chain(struct podfs_nodes *t, struct podfs_node *n)
{
	size_t i = podfs_node_slot(t, n->id);

	n->by_id = t->id[i];
	t->id[i] = n;
	if (!n->parent || n->stale)
		return;
	i = podfs_node_name_slot(t, n->parent, n->name, n->len);
	n->by_name = t->name[i];
	t->name[i] = n;
}

static void podfs_node_unname(struct podfs_nodes *t, struct podfs_node *n)
{
	struct podfs_node **p;

	if (!n->parent || n->stale)
		return;
	p = &t->name[podfs_node_name_slot(t, n->parent, n->name, n->len)];
	while (*p != n)
		p = &(*p)->by_name;
	*p = n->by_name;
	n->stale = true;
}

static void podfs_nodes_grow(struct podfs_nodes *t)
{
	size_t old = t->size;
	struct podfs_node **was = t->id;

	t->size = old ? 2 * old : PODFS_CHAINS_MIN;
	t->id = xcalloc(t->size, sizeof(struct podfs_node *));
	free(t->name);
	t->name = xcalloc(t->size, sizeof(struct podfs_node *));
	for (size_t i = 0; i < old; i++)
		for (struct podfs_node *n = was[i], *next; n; n = next) {
			next = n->by_id;
			podfs_node_chain(t, n);
		}
	free(was);
}

/* --- nodes ---------------------------------------------------------------- */

static struct podfs_node *podfs_node_new(struct podfs_nodes *t,
					 struct podfs_node *parent,
					 const char *name, size_t len)
{
	struct podfs_node *n;

	if (t->n == PODFS_NODES)
		return NULL;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n)
		return NULL;
	if (t->n >= t->size)
		podfs_nodes_grow(t);
	n->id = ++t->last;
	n->parent = parent;
	n->len = len;
	memcpy(n->name, name, len);
	list_init(&n->files);
	if (parent)
		parent->children++;
	podfs_node_chain(t, n);
	t->n++;
	return n;
}

/* Nobody knows it any more: neither perhaps the folders above */
static void podfs_node_drop(struct podfs_nodes *t, struct podfs_node *n)
{
	while (n && n->parent && !n->lookups && !n->children &&
	       list_empty(&n->files)) {
		struct podfs_node *parent = n->parent;
		struct podfs_node **p = &t->id[podfs_node_slot(t, n->id)];

		podfs_node_unname(t, n);
		while (*p != n)
			p = &(*p)->by_id;
		*p = n->by_id;
		parent->children--;
		t->n--;
		free(n);
		n = parent;
	}
}

struct podfs_node *podfs_node_find(const struct podfs_nodes *t, uint64_t id)
{
	struct podfs_node *n = t->id[podfs_node_slot(t, id)];

	while (n && n->id != id)
		n = n->by_id;
	return n;
}

static struct podfs_node *podfs_node_named(const struct podfs_nodes *t,
					   const struct podfs_node *parent,
					   const char *name, size_t len)
{
	struct podfs_node *n =
		t->name[podfs_node_name_slot(t, parent, name, len)];

	while (n && (n->parent != parent || n->len != len ||
		     memcmp(n->name, name, len) != 0))
		n = n->by_name;
	return n;
}

struct podfs_node *podfs_node_look(struct podfs_nodes *t,
				   struct podfs_node *parent, const char *name,
				   size_t len, const struct fsmsg_attr *a)
{
	struct podfs_node *n = podfs_node_named(t, parent, name, len);
	struct podfs_node *old = NULL;

	if (n && (n->ino != a->ino || n->dev != a->dev)) {
		podfs_node_unname(t, n);
		old = steal_ptr(&n);
	}
	if (!n) {
		n = podfs_node_new(t, parent, name, len);
		podfs_node_drop(t, old); /* @parent has a child again */
		if (!n)
			return NULL;
		n->ino = a->ino;
		n->dev = a->dev;
		n->volume = parent->parent ? parent->volume : a->dev;
		n->size = UINT64_MAX;
	}
	n->lookups++;
	return n;
}

void podfs_node_forget(struct podfs_nodes *t, uint64_t id, uint64_t count)
{
	struct podfs_node *n = podfs_node_find(t, id);

	if (!n)
		return;
	n->lookups -= MIN(n->lookups, count);
	podfs_node_drop(t, n);
}

void podfs_node_put(struct podfs_nodes *t, struct podfs_node *n)
{
	podfs_node_drop(t, n);
}

/* --- what they are for ---------------------------------------------------- */

ssize_t podfs_node_path(const struct podfs_node *n, const char *name,
			size_t len, char out[FSMSG_PATH_MAX])
{
	size_t at = FSMSG_PATH_MAX;

	if (name) {
		if (len > at)
			return -ENAMETOOLONG;
		at -= len;
		memcpy(out + at, name, len);
	}
	for (; n->parent; n = n->parent) {
		bool more = at < FSMSG_PATH_MAX;

		if (n->stale)
			return -ESTALE;
		if (n->len + more > at)
			return -ENAMETOOLONG;
		if (more)
			out[--at] = '/';
		at -= n->len;
		memcpy(out + at, n->name, n->len);
	}
	memmove(out, out + at, FSMSG_PATH_MAX - at);
	return (ssize_t)(FSMSG_PATH_MAX - at);
}

uint64_t podfs_node_ino(const struct podfs_node *n, const struct fsmsg_attr *a)
{
	uint64_t other = n->parent ? a->dev ^ n->volume : 0;

	return a->ino ^ (other * 0x9E3779B97F4A7C15u & ~(uint64_t)UINT32_MAX);
}

/* --- life ----------------------------------------------------------------- */

void podfs_nodes_init(struct podfs_nodes *t)
{
	*t = (struct podfs_nodes){ .last = PODFS_ROOT - 1 };
	t->root = podfs_node_new(t, NULL, "", 0);
}

void podfs_nodes_fini(struct podfs_nodes *t)
{
	for (size_t i = 0; i < t->size; i++)
		for (struct podfs_node *n = t->id[i], *next; n; n = next) {
			next = n->by_id;
			free(n);
		}
	free(t->id);
	free(t->name);
	*t = (struct podfs_nodes){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "kube/yamltree.h"
#include "local/home.h"

#include <errno.h>
#include <string.h>

/* Also the items of KT Connect's commands that are not here yet, and two that
 * never did anything (connect.global, global.listen-check): one file serves
 * both programs. */
const char *const config_items[] = {
	"connect.global",
	"connect.disable-pod-ip",
	"connect.disable-tun-device",
	"connect.disable-tun-route",
	"connect.proxy-port",
	"connect.proxy-addr",
	"connect.dns-port",
	"connect.dns-cache-ttl",
	"connect.include-ips",
	"connect.exclude-ips",
	"connect.ingress-ip",
	"connect.mode",
	"connect.dns-mode",
	"connect.share-shadow",
	"connect.shadow",
	"connect.env",
	"connect.cluster-domain",
	"connect.skip-cleanup",
	"connect.include-domains",
	"connect.keep",
	"connect.shadows",
	"run.share-shadow",
	"run.shadow",
	"run.env",
	"run.env-include",
	"run.env-exclude",
	"run.env-local",
	"run.no-files",
	"run.no-outside",
	"run.capture",
	"run.on-lost",
	"run.dns-mode",
	"run.dns-cache-ttl",
	"run.cluster-domain",
	"run.include-domains",
	"run.include-ips",
	"run.exclude-ips",
	"run.disable-pod-ip",
	"run.skip-cleanup",
	"run.keep",
	"run.shadows",
	"env.header",
	"exchange.mode",
	"exchange.expose",
	"exchange.recover-wait-time",
	"exchange.skip-port-checking",
	"exchange.grace-time",
	"exchange.force",
	"mesh.mode",
	"mesh.expose",
	"mesh.version-mark",
	"mesh.route",
	"mesh.router-image",
	"mesh.skip-port-checking",
	"mesh.match",
	"mesh.copy",
	"mesh.percent",
	"mesh.grace-time",
	"mesh.force",
	"preview.external",
	"preview.expose",
	"preview.skip-port-checking",
	"preview.grace-time",
	"forward.address",
	"forward.keep",
	"forward.shadows",
	"clean.dry-run",
	"clean.threshold-in-minus",
	"clean.local-only",
	"birdseye.sort-by",
	"birdseye.show-connector",
	"birdseye.hide-natural-service",
	"map.no-open",
	"global.as-worker",
	"global.kubeconfig",
	"global.namespace",
	"global.service-account",
	"global.debug",
	"global.image",
	"global.base-image",
	"global.image-pull-secret",
	"global.run-as-user",
	"global.node-selector",
	"global.with-label",
	"global.with-annotation",
	"global.port-forward-timeout",
	"global.pod-creation-timeout",
	"global.carrier",
	"global.buffer-limit",
	"global.use-shadow-deployment",
	"global.force-update",
	"global.use-local-time",
	"global.context",
	"global.pod-quota",
	"global.listen-check",
	"global.ip-version",
	NULL,
};

bool config_item_known(const char *item)
{
	for (size_t i = 0; config_items[i]; i++)
		if (strcmp(config_items[i], item) == 0)
			return true;
	return false;
}

static struct config_entry *config_find(const struct config *cfg,
					const char *group, const char *item)
{
	for (size_t i = 0; i < cfg->n; i++)
		if (strcmp(cfg->v[i].group, group) == 0 &&
		    strcmp(cfg->v[i].item, item) == 0)
			return &cfg->v[i];
	return NULL;
}

const char *config_value(const struct config *cfg, const char *group,
			 const char *item)
{
	const struct config_entry *e = config_find(cfg, group, item);

	return e ? e->value : NULL;
}

void config_set(struct config *cfg, const char *group, const char *item,
		const char *value)
{
	struct config_entry *e = config_find(cfg, group, item);

	if (e) {
		free(e->value);
		e->value = xstrdup(value);
		return;
	}
	cfg->v = xrealloc(cfg->v, (cfg->n + 1) * sizeof(*cfg->v));
	cfg->v[cfg->n++] = (struct config_entry){
		xstrdup(group),
		xstrdup(item),
		xstrdup(value),
	};
}

static void entry_fini(struct config_entry *e)
{
	free(e->group);
	free(e->item);
	free(e->value);
}

bool config_unset(struct config *cfg, const char *group, const char *item)
{
	struct config_entry *e = config_find(cfg, group, item);

	if (!e)
		return false;
	entry_fini(e);
	cfg->n--;
	memmove(e, e + 1,
		(size_t)(cfg->v + cfg->n - e) * sizeof(struct config_entry));
	return true;
}

void config_fini(struct config *cfg)
{
	for (size_t i = 0; i < cfg->n; i++)
		entry_fini(&cfg->v[i]);
	free(cfg->v);
	*cfg = (struct config){ 0 };
}

/* --- text -> config ------------------------------------------------------- */

static int config_check_name(const char *name, struct kt_error *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (n && !name[n] && n < ITEM_STRLEN)
		return 0;
	return kt_fail(err, EINVAL, "'%.64s' is no name of a group or item",
		       name);
}

static int config_take_value(struct config *cfg, const char *group,
			     const char *item, const json_t *value,
			     struct kt_error *err)
{
	char number[32];
	const char *text = NULL;

	if (json_is_string(value)) {
		text = json_string_value(value);
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		text = number;
	} else if (json_is_boolean(value)) {
		text = json_is_true(value) ? "true" : "false";
	} else if (json_is_null(value)) {
		text = "";
	}
	if (!text)
		return kt_fail(err, EINVAL, "%s.%s is not a single value",
			       group, item);
	if (config_check_name(item, err) < 0)
		return -EINVAL;
	config_set(cfg, group, item, text);
	return 0;
}

static int take_group(struct config *cfg, const char *group, json_t *items,
		      struct kt_error *err)
{
	const char *item;
	json_t *value;

	if (config_check_name(group, err) < 0)
		return -EINVAL;
	if (json_is_null(items)) /* "connect:" or "connect: {}" */
		return 0;
	if (!json_is_object(items))
		return kt_fail(err, EINVAL, "%s is not a group of items",
			       group);
	json_object_foreach (items, item, value) {
		int rc = config_take_value(cfg, group, item, value, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_tree(struct config *cfg, json_t *root, struct kt_error *err)
{
	const char *group;
	json_t *items;

	if (json_is_null(root)) /* an empty file */
		return 0;
	if (!json_is_object(root))
		return kt_fail(err, EINVAL, "there are no groups in it");
	json_object_foreach (root, group, items) {
		int rc = take_group(cfg, group, items, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int config_parse(struct config *cfg, const char *text, size_t len,
		 struct kt_error *err)
{
	json_t *root;
	int rc;

	*cfg = (struct config){ 0 };
	if (!len)
		return 0;
	root = yaml_parse(text, len, "config", err);
	if (!root)
		return -EINVAL;
	rc = take_tree(cfg, root, err);
	json_decref(root);
	if (rc < 0)
		config_fini(cfg);
	return rc;
}

/* --- config -> text ------------------------------------------------------- */

/* The code point at @p, valid UTF-8 (jansson saw to it); its bytes in @n */
static uint32_t code_point(const char *p, size_t *n)
{
	const unsigned char *u = (const unsigned char *)p;

	if (u[0] < 0x80) {
		*n = 1;
		return u[0];
	}
	if (u[0] < 0xe0) {
		*n = 2;
		return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
	}
	if (u[0] < 0xf0) {
		*n = 3;
		return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 |
		       (u[2] & 0x3fu);
	}
	*n = 4;
	return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 |
	       (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
}

/* YAML 1.1 section 4.1: printable, and no line break (4.2) */
static bool config_is_plain(uint32_t c)
{
	return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0x2028) ||
	       (c > 0x2029 && c < 0xfeff) || (c > 0xfeff && c < 0xfffe) ||
	       c > 0xffff;
}

static int print_quoted(struct buf *out, const char *text)
{
	int rc = buf_put(out, "\"", 1);
	size_t n;

	for (const char *p = text; *p && rc == 0; p += n) {
		uint32_t c = code_point(p, &n);

		if (c == '"' || c == '\\')
			rc = buf_printf(out, "\\%c", (char)c);
		else if (config_is_plain(c))
			rc = buf_put(out, p, n);
		else
			rc = buf_printf(out, "\\u%04x", (unsigned int)c);
	}
	return rc < 0 ? rc : buf_put(out, "\"", 1);
}

static bool first_of_group(const struct config *cfg, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(cfg->v[j].group, cfg->v[i].group) == 0)
			return false;
	return true;
}

static int print_entry(struct buf *out, const struct config_entry *e)
{
	int rc = buf_printf(out, "  %s: ", e->item);

	rc = rc < 0 ? rc : print_quoted(out, e->value);
	return rc < 0 ? rc : buf_put(out, "\n", 1);
}

int config_print(const struct config *cfg, struct buf *out)
{
	int rc = 0;

	for (size_t i = 0; i < cfg->n && rc == 0; i++) {
		if (!first_of_group(cfg, i))
			continue;
		rc = buf_printf(out, "%s:\n", cfg->v[i].group);
		for (size_t j = i; j < cfg->n && rc == 0; j++)
			if (strcmp(cfg->v[j].group, cfg->v[i].group) == 0)
				rc = print_entry(out, &cfg->v[j]);
	}
	return rc;
}

/* --- files ---------------------------------------------------------------- */

int config_load(struct config *cfg, const struct home *h, const char *sub,
		const char *name, struct kt_error *err)
{
	struct kt_error why = { 0 };
	auto_free char *text = NULL;
	size_t len;
	int rc;

	*cfg = (struct config){ 0 };
	text = home_read(h, sub, name, CONFIG_MAX_SIZE, &len, &why);
	if (!text && why.code == ENOENT)
		return 0;
	if (!text) {
		if (err)
			*err = why;
		return -why.code;
	}
	rc = config_parse(cfg, text, len, err);
	return rc < 0 ? kt_wrap(err, rc, "%s/%s%s%s is damaged", h->dir, sub,
				*sub ? "/" : "", name)
		      : 0;
}

int config_save(const struct config *cfg, const struct home *h, const char *sub,
		const char *name, struct kt_error *err)
{
	struct buf out;
	int rc;

	buf_init(&out, CONFIG_MAX_SIZE);
	rc = config_print(cfg, &out);
	if (rc < 0)
		kt_fail(err, -rc, "write %s/%s: too large", h->dir, name);
	else
		rc = home_write(h, sub, name, buf_data(&out), out.len, 0644,
				err);
	buf_fini(&out);
	return rc;
}

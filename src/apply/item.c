/* SPDX-License-Identifier: Apache-2.0 */
/* One job: its keys become a command line, and that is parsed */
#include "apply/item.h"

#include "base/mem.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/resolve.h"
#include "cli/suggest.h"
#include "forward/spec.h"
#include "kube/kubeconfig.h"
#include "wire/sha256.h"

#include <errno.h>
#include <string.h>

/* The keys of a job's words: the first one must be there, the second is a list
 */
struct apply_words {
	const char *command, *first, *more;
};

static const struct apply_words apply_words[] = {
	{ "connect", NULL, NULL },	 { "forward", "target", "ports" },
	{ "exchange", "service", NULL }, { "mesh", "service", NULL },
	{ "preview", "service", NULL },
};

struct apply_building {
	struct apply_reader *r;
	struct apply_item *item;
	const struct apply_words *words;
	struct apply_flags flags;
	char *first;
	struct strv more;
};

static const struct apply_words *apply_words_of(const struct command *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(apply_words); i++)
		if (strcmp(apply_words[i].command, c->name) == 0)
			return &apply_words[i];
	return NULL;
}

/* --- keys ----------------------------------------------------------------- */

static int apply_item_more(void *user, const char *key, yaml_node_t *at,
			   yaml_node_t *value)
{
	struct apply_building *b = user;
	const char *text = reader_text(b->r, value, b->words->more);

	if (text && key)
		return reader_fail(b->r, at, "%s is a list", b->words->more);
	if (text)
		strv_add(&b->more, text);
	return text ? 0 : -EINVAL;
}

static int apply_item_key(void *user, const char *key, yaml_node_t *at,
			  yaml_node_t *value)
{
	struct apply_building *b = user;
	const struct command *c = b->item->command;
	const struct option *opt = apply_flags_find(c->options, key);
	struct suggest s;

	if (b->words->first && strcmp(key, b->words->first) == 0) {
		const char *text = reader_text(b->r, value, key);

		b->first = text ? xstrdup(text) : NULL;
		return text ? 0 : -EINVAL;
	}
	if (b->words->more && strcmp(key, b->words->more) == 0)
		return value->type == YAML_SEQUENCE_NODE
			       ? reader_walk(b->r, value, apply_item_more, b)
			       : apply_item_more(b, NULL, at, value);
	if (!opt)
		opt = apply_flags_find(global_option_table, key);
	if (opt)
		return apply_flags_read(&b->flags, b->r, opt, value);
	suggest_init(&s, key, strlen(key));
	if (b->words->first)
		suggest_offer(&s, b->words->first);
	if (b->words->more)
		suggest_offer(&s, b->words->more);
	apply_flags_offer(&s, c->options);
	apply_flags_offer(&s, global_option_table);
	return apply_unknown(b->r, at, key, &s);
}

static int apply_item_keys(struct apply_building *b, yaml_node_t *node)
{
	struct apply_item *item = b->item;
	int rc = reader_walk(b->r, node, apply_item_key, b);

	if (rc < 0)
		return rc;
	if (b->words->first && !b->first)
		return reader_fail(b->r, node, "%s: %s is missing",
				   item->command->name, b->words->first);
	if (b->first)
		strv_add(&item->args, b->first);
	for (size_t i = 0; i < b->more.n; i++)
		strv_add(&item->args, b->more.v[i]);
	return 0;
}

static int apply_item_words(struct apply_building *b, yaml_node_t *node)
{
	const char *name = b->item->command->name;
	const char *text = reader_text(b->r, node, name);

	if (!text)
		return -EINVAL;
	b->item->args = strv_split(text, ' ');
	return b->item->args.n
		       ? 0
		       : reader_fail(b->r, node, "%s has no value", name);
}

/* --- the command line ----------------------------------------------------- */

/* The last one that says it: the job's own, apply's command line, the file's.
 * *@dir: where its paths begin */
static const char *apply_item_value(const struct apply_building *b,
				    const struct apply_flags *common,
				    const struct apply_source *src,
				    const struct option *opt, const char **dir)
{
	*dir = src->dir;
	for (size_t i = b->flags.n; i--;)
		if (b->flags.v[i].opt == opt)
			return b->flags.v[i].text;
	/* how much is said is no part of what is wanted */
	for (size_t i = strcmp(opt->name, "debug") == 0 ? 0 : src->nflags; i--;)
		if (src->flags[i].opt == opt) {
			*dir = src->here;
			return src->flags[i].text;
		}
	for (size_t i = common->n; i--;)
		if (common->v[i].opt == opt)
			return common->v[i].text;
	return NULL;
}

/* One that can be given several times is the job's own only */
static void apply_item_set_repeated(const struct apply_building *b,
				    const struct option *opt)
{
	for (size_t i = 0; i < b->flags.n; i++)
		if (b->flags.v[i].opt == opt)
			strv_take(&b->item->flags,
				  xasprintf("--%s=%s", opt->name,
					    b->flags.v[i].text));
}

static void apply_item_set_flags(const struct apply_building *b,
				 const struct apply_flags *common,
				 const struct apply_source *src)
{
	struct apply_item *item = b->item;
	const struct option *tables[] = { global_option_table,
					  item->command->options };
	const struct option *opt;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for_each_option (opt, tables[i]) {
			const char *dir, *text = apply_item_value(
						 b, common, src, opt, &dir);
			auto_free char *paths = NULL;

			if (opt->repeats) {
				apply_item_set_repeated(b, opt);
				continue;
			}
			if (!text)
				continue;
			if (strcmp(opt->name, "kubeconfig") == 0)
				text = paths = kube_config_paths(text, dir);
			strv_take(&item->flags,
				  xasprintf("--%s=%s", opt->name, text));
		}
}

char *apply_key(const char *command, const struct strv *args)
{
	return xasprintf("%s%s%s", command, args->n ? " " : "",
			 args->n ? args->v[0] : "");
}

char *apply_label(const char *command, const struct strv *args)
{
	auto_free char *words = strv_join(args, " ");

	return xasprintf("%s%s%s", command, args->n ? " " : "", words);
}

static void apply_item_name(struct apply_item *item)
{
	struct sha256 sum;
	char hex[SHA256_HEX];
	const struct strv *parts[] = { &item->flags, &item->args };

	item->key = apply_key(item->command->name, &item->args);
	item->label = apply_label(item->command->name, &item->args);
	sha256_init(&sum);
	sha256_add(&sum, item->command->name, strlen(item->command->name) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		for (size_t k = 0; k < parts[i]->n; k++)
			sha256_add(&sum, parts[i]->v[k],
				   strlen(parts[i]->v[k]) + 1);
		sha256_add(&sum, "", 1);
	}
	sha256_end(&sum, hex);
	memcpy(item->digest, hex, APPLY_DIGEST_LEN - 1);
	item->digest[APPLY_DIGEST_LEN - 1] = '\0';
}

/* What the command itself looks at before it does anything */
static int apply_item_check_words(const struct apply_item *item,
				  struct kt_error *err)
{
	struct forward_spec spec;
	int rc;

	if (strcmp(item->command->name, "forward") != 0)
		return 0;
	rc = forward_spec_parse(&spec, item->args.v, item->args.n, err);
	forward_spec_fini(&spec);
	return rc;
}

static int apply_item_check(struct apply_item *item,
			    const struct apply_source *src,
			    struct kt_error *err)
{
	auto_strv struct strv argv = { 0 };
	struct invocation inv;
	struct options o = { 0 };
	int rc;

	strv_add(&argv, "ktctl");
	strv_add(&argv, item->command->name);
	for (size_t i = 0; i < item->flags.n; i++)
		strv_add(&argv, item->flags.v[i]);
	strv_add(&argv, "--");
	for (size_t i = 0; i < item->args.n; i++)
		strv_add(&argv, item->args.v[i]);
	rc = parse_argv(&inv, (int)argv.n, argv.v, err);
	if (rc == 0)
		rc = options_resolve(&o, &inv, src->cfg, err);
	if (rc == 0)
		rc = apply_item_check_words(item, err);
	if (rc == 0 && o.global.context)
		item->context = xstrdup(o.global.context);
	if (rc == 0 && o.global.kubeconfig)
		item->kubeconfig = xstrdup(o.global.kubeconfig);
	item->captures = strcmp(item->command->name, "connect") == 0 &&
			 !o.connect.disable_tun_device;
	item->device = o.connect.mode != CONNECT_SSHUTTLE;
	options_fini(&o);
	invocation_fini(&inv);
	return rc;
}

int apply_item_read(struct apply_item *item, struct apply_reader *r,
		    const struct command *c, yaml_node_t *node, yaml_node_t *at,
		    const struct apply_flags *common,
		    const struct apply_source *src)
{
	struct apply_building b = { .r = r,
				    .item = item,
				    .words = apply_words_of(c) };
	struct kt_error why = { 0 };
	int rc = 0;

	*item = (struct apply_item){ .command = c, .line = reader_line(at) };
	if (node && node->type == YAML_MAPPING_NODE)
		rc = apply_item_keys(&b, node);
	else if (node)
		rc = apply_item_words(&b, node);
	if (rc == 0) {
		apply_item_set_flags(&b, common, src);
		apply_item_name(item);
		rc = apply_item_check(item, src, &why);
		if (rc < 0) {
			if (why.hint[0])
				kt_hint(r->err, "%s", why.hint);
			rc = reader_fail(r, at, "%s: %s", item->label, why.msg);
		}
	}
	apply_flags_fini(&b.flags);
	free(b.first);
	strv_fini(&b.more);
	return rc;
}

void apply_item_fini(struct apply_item *item)
{
	free(item->key);
	free(item->label);
	free(item->context);
	free(item->kubeconfig);
	strv_fini(&item->flags);
	strv_fini(&item->args);
	*item = (struct apply_item){ 0 };
}

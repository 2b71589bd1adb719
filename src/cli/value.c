/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/value.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"
#include "cli/command.h"
#include "cli/form.h"
#include "cli/mark.h"
#include "cli/options.h"
#include "cli/suggest.h"
#include "cli/value_type.h"
#include "control/eventjson.h"
#include "control/expect.h"
#include "dns/order.h"
#include "wire/rule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DOMAIN_MAX 253
#define VALUE_TEXT_MAX ((size_t)32 << 10)

typedef void (*fini_fn)(void *field);

static int set_bool(void *field, const struct option *opt, const char *text,
		    struct kt_error *err)
{
	static const char *const yes[] = { "true", "1", "t", "yes" };
	static const char *const no[] = { "false", "0", "f", "no" };
	bool *v = field;

	(void)opt;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*v = true;
			return 0;
		}
		if (strcasecmp(text, no[i]) == 0) {
			*v = false;
			return 0;
		}
	}
	return kt_fail(err, EINVAL, "'%s' is neither true nor false", text);
}

static int parse_int(long *v, long min, long max, const char *text,
		     struct kt_error *err)
{
	if (str_to_long(text, v) < 0)
		return kt_fail(err, EINVAL, "'%s' is not a whole number", text);
	if (*v < min || *v > max)
		return kt_fail(err, EINVAL, "%ld is not in %ld to %ld", *v, min,
			       max);
	return 0;
}

static int value_set_int(void *field, const struct option *opt,
			 const char *text, struct kt_error *err)
{
	int *v = field;
	long n;

	if (parse_int(&n, opt->min, opt->max, text, err) < 0)
		return -EINVAL;
	*v = (int)n;
	return 0;
}

static int set_port(void *field, const struct option *opt, const char *text,
		    struct kt_error *err)
{
	uint16_t *v = field;
	long n;

	(void)opt;
	if (parse_int(&n, 1, 65535, text, err) < 0)
		return -EINVAL;
	*v = (uint16_t)n;
	return 0;
}

static int set_family(void *field, const struct option *opt, const char *text,
		      struct kt_error *err)
{
	int *v = field;

	(void)opt;
	if (strcmp(text, "4") != 0 && strcmp(text, "6") != 0)
		return kt_fail(err, EINVAL, "'%s' is neither 4 nor 6", text);
	*v = text[0] - '0';
	return 0;
}

int value_set_string(void *field, const struct option *opt, const char *text,
		     struct kt_error *err)
{
	char **v = field;

	if (opt->is_name && *text && !form_is_name(text))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no name: lower-case letters, "
			       "digits, '-' and '.'",
			       text);
	*v = *text ? xstrdup(text) : NULL;
	return 0;
}

static int value_set_image(void *field, const struct option *opt,
			   const char *text, struct kt_error *err)
{
	if (*text && !form_is_image(text))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no image: "
			       "[REGISTRY/]REPOSITORY[:TAG]",
			       text);
	return value_set_string(field, opt, text, err);
}

static int value_set_mark(void *field, const struct option *opt,
			  const char *text, struct kt_error *err)
{
	struct mark mark;

	if (*text && mark_parse(&mark, text, err) < 0)
		return -EINVAL;
	return value_set_string(field, opt, text, err);
}

static int value_set_match(void *field, const struct option *opt,
			   const char *text, struct kt_error *err)
{
	struct rule_match match;

	if (*text && rule_match_parse(&match, text, err) < 0)
		return -EINVAL;
	if (*text && !match.n)
		return kt_fail(err, EINVAL, "'%.80s' is what exchange does",
			       text);
	return value_set_string(field, opt, text, err);
}

static void fini_string(void *field)
{
	char **v = field;

	free(*v);
	*v = NULL;
}

static int set_strings(void *field, const struct option *opt, const char *text,
		       struct kt_error *err)
{
	(void)opt;
	(void)err;
	*(struct strv *)field = strv_split(text, ',');
	return 0;
}

static void fini_strings(void *field)
{
	strv_fini(field);
}

/* A DNS suffix as people write it (".Cluster.Local.") in the form that the
 * resolver compares: returned (caller frees), NULL when it is none. */
static char *domain_normal(const char *text)
{
	size_t n, label = 0;
	char *d;

	while (*text == '.')
		text++;
	n = strlen(text);
	while (n && text[n - 1] == '.')
		n--;
	if (!n || n > DOMAIN_MAX)
		return NULL;
	d = xstrndup(text, n);
	for (char *p = d; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		label = *p == '.' ? 0 : label + 1;
		if ((!isalnum((unsigned char)*p) && !strchr("-_.", *p)) ||
		    label > 63 || (*p == '.' && p[1] == '.')) {
			free(d);
			return NULL;
		}
	}
	return d;
}

static int set_domain(void *field, const struct option *opt, const char *text,
		      struct kt_error *err)
{
	char *d = domain_normal(text);

	(void)opt;
	if (!d)
		return kt_fail(err, EINVAL, "'%s' is no domain name", text);
	*(char **)field = d;
	return 0;
}

static int set_domains(void *field, const struct option *opt, const char *text,
		       struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ',');
	struct strv out = { 0 };

	(void)opt;
	for (size_t i = 0; i < parts.n; i++) {
		char *d = domain_normal(parts.v[i]);

		if (!d) {
			strv_fini(&out);
			return kt_fail(err, EINVAL, "'%s' is no domain name",
				       parts.v[i]);
		}
		strv_take(&out, d);
	}
	*(struct strv *)field = out;
	return 0;
}

static int set_choice(void *field, const struct option *opt, const char *text,
		      struct kt_error *err)
{
	int *v = field;
	char list[256] = "";
	size_t n = 0;

	for (int i = 0; opt->choices[i]; i++) {
		if (strcmp(opt->choices[i], text) == 0) {
			*v = i;
			return 0;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      i ? ", " : "", opt->choices[i]);
		n = MIN(n, sizeof(list) - 1);
	}
	return kt_fail(err, EINVAL, "'%s' is none of: %s", text, list);
}

static void fini_pairs(void *field)
{
	struct pairs *p = field;

	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].value);
	}
	free(p->v);
	*p = (struct pairs){ 0 };
}

static void pairs_put(struct pairs *p, const char *text, size_t key_len)
{
	struct pair *slot = NULL;

	for (size_t i = 0; i < p->n && !slot; i++)
		if (strlen(p->v[i].key) == key_len &&
		    memcmp(p->v[i].key, text, key_len) == 0)
			slot = &p->v[i];
	if (slot) { /* the last one of a name counts */
		free(slot->value);
	} else {
		p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
		slot = &p->v[p->n++];
		slot->key = xstrndup(text, key_len);
	}
	slot->value = xstrdup(text + key_len + 1);
}

/* The name of an environment variable, as Kubernetes has it */
static bool value_is_variable(const char *name)
{
	if (*name >= '0' && *name <= '9')
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-.", *p))
			return false;
	return true;
}

static bool value_is_pair(const struct pair *p, enum value_type type)
{
	if (type == VALUE_SETTINGS)
		return value_is_variable(p->key);
	return form_is_key(p->key) &&
	       (type != VALUE_LABELS || form_is_label(p->value));
}

static int set_pairs(void *field, const struct option *opt, const char *text,
		     struct kt_error *err)
{
	auto_strv struct strv parts = opt->repeats && *text
					      ? words_cut(text, opt->repeats)
					      : strv_split(text, ',');
	struct pairs out = { 0 };

	for (size_t i = 0; i < parts.n; i++) {
		const char *eq = strchr(parts.v[i], '=');

		if (!eq || eq == parts.v[i]) {
			fini_pairs(&out);
			return kt_fail(err, EINVAL,
				       "'%s' is not of the form key=value",
				       parts.v[i]);
		}
		pairs_put(&out, parts.v[i], (size_t)(eq - parts.v[i]));
	}
	for (size_t i = 0; i < out.n; i++) {
		if (value_is_pair(&out.v[i], opt->type))
			continue;
		kt_fail(err, EINVAL, "'%.80s=%.80s' cannot be %s", out.v[i].key,
			out.v[i].value,
			opt->type == VALUE_LABELS  ? "a label"
			: opt->type == VALUE_PAIRS ? "an annotation"
						   : "a variable");
		fini_pairs(&out);
		return -EINVAL;
	}
	*(struct pairs *)field = out;
	return 0;
}

static int set_address(void *field, const struct option *opt, const char *text,
		       struct kt_error *err)
{
	struct ipaddr *a = field;

	(void)opt;
	if (!*text) {
		*a = (struct ipaddr){ 0 };
		return 0;
	}
	if (ipaddr_parse(a, text) < 0)
		return kt_fail(err, EINVAL, "'%s' is no IP address", text);
	return 0;
}

static void fini_prefixes(void *field)
{
	struct prefixes *p = field;

	free(p->v);
	*p = (struct prefixes){ 0 };
}

static int set_prefixes(void *field, const struct option *opt, const char *text,
			struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ',');
	struct prefixes out = { 0 };

	(void)opt;
	if (parts.n)
		out.v = xcalloc(parts.n, sizeof(*out.v));
	for (size_t i = 0; i < parts.n; i++) {
		if (ipprefix_parse(&out.v[out.n++], parts.v[i]) == 0)
			continue;
		fini_prefixes(&out);
		return kt_fail(err, EINVAL, "'%s' is no IP address or range",
			       parts.v[i]);
	}
	*(struct prefixes *)field = out;
	return 0;
}

static void fini_quota(void *field)
{
	struct pod_quota *q = field;

	free(q->cpu);
	free(q->memory);
	*q = (struct pod_quota){ 0 };
}

/* "0.5c" is CPU; "512k", "512m", "1g" is memory, in KiB, MiB, GiB */
static bool quota_put(struct pod_quota *q, const char *text)
{
	size_t digits = strspn(text, "0123456789"), n = digits;
	char **slot;

	if (digits && text[n] == '.') {
		size_t more = strspn(text + n + 1, "0123456789");

		if (!more)
			return false;
		n += 1 + more;
	}
	if (!digits || n > 18 || !text[n] || text[n + 1])
		return false;
	if (strtod(text, NULL) <= 0)
		return false;
	slot = text[n] == 'c' ? &q->cpu : &q->memory;
	free(*slot);
	switch (text[n]) {
	case 'c':
		*slot = xstrndup(text, n);
		return true;
	case 'k':
		*slot = xasprintf("%.*sKi", (int)n, text);
		return true;
	case 'm':
		*slot = xasprintf("%.*sMi", (int)n, text);
		return true;
	case 'g':
		*slot = xasprintf("%.*sGi", (int)n, text);
		return true;
	}
	*slot = NULL;
	return false;
}

static int set_quota(void *field, const struct option *opt, const char *text,
		     struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ',');
	struct pod_quota out = { 0 };

	(void)opt;
	for (size_t i = 0; i < parts.n; i++) {
		if (quota_put(&out, parts.v[i]))
			continue;
		fini_quota(&out);
		return kt_fail(err, EINVAL,
			       "'%s' is no quota: a number and c (cores), or "
			       "k, m, g (memory)",
			       parts.v[i]);
	}
	*(struct pod_quota *)field = out;
	return 0;
}

static void fini_dns_mode(void *field)
{
	struct dns_option *m = field;

	strv_fini(&m->list);
}

/* The namespaces of hosts */
static int value_check_namespaces(struct strv *list, struct kt_error *err)
{
	for (size_t i = 0; i < list->n; i++) {
		if (form_is_namespace(list->v[i]))
			continue;
		kt_fail(err, EINVAL, "'%.80s' is no name of a namespace",
			list->v[i]);
		strv_fini(list);
		return -EINVAL;
	}
	return 0;
}

/* The servers of localDNS; the default order when @list is empty */
static int check_order(struct strv *list, struct kt_error *err)
{
	struct dns_order order;
	int rc;

	if (!list->n) {
		strv_add(list, "cluster");
		strv_add(list, "upstream");
	}
	rc = dns_order_from(&order, list, err);
	if (rc < 0)
		strv_fini(list);
	return rc;
}

static int set_dns_mode(void *field, const struct option *opt, const char *text,
			struct kt_error *err)
{
	static const char *const name[] = { [DNS_MODE_LOCAL] = "localDNS",
					    [DNS_MODE_POD] = "podDNS",
					    [DNS_MODE_HOSTS] = "hosts" };
	struct dns_option *m = field;

	(void)opt;
	for (int i = 0; i < (int)ARRAY_SIZE(name); i++) {
		size_t n = strlen(name[i]);

		if (strncmp(text, name[i], n) != 0 ||
		    (text[n] && (text[n] != ':' || i == DNS_MODE_POD)))
			continue;
		m->kind = i;
		m->list = strv_split(text[n] ? text + n + 1 : "", ',');
		return i == DNS_MODE_LOCAL
			       ? check_order(&m->list, err)
			       : value_check_namespaces(&m->list, err);
	}
	return kt_fail(err, EINVAL,
		       "'%s' is none of: localDNS, localDNS:SERVER,..., "
		       "podDNS, hosts, hosts:NAMESPACE,...",
		       text);
}

static int set_expose(void *field, const struct option *opt, const char *text,
		      struct kt_error *err)
{
	(void)opt;
	return expose_parse(field, text, err);
}

static void fini_expose(void *field)
{
	expose_fini(field);
}

static int value_set_user(void *field, const struct option *opt,
			  const char *text, struct kt_error *err)
{
	long *v = field, user = POD_USER_NONE;

	(void)opt;
	if (strcmp(text, "none") != 0 &&
	    (!isdigit((unsigned char)text[0]) || str_to_long(text, &user) < 0 ||
	     user < 1 || user > POD_USER_MAX))
		return kt_fail(err, EINVAL,
			       "'%s' is neither none nor a user of 1 to %ld",
			       text, POD_USER_MAX);
	*v = user;
	return 0;
}

static void value_fini_faults(void *field)
{
	struct fault_list *l = field;

	free(l->v);
	*l = (struct fault_list){ 0 };
}

/* Adds the fault @text to @l */
static int value_fault(struct fault_list *l, const char *text,
		       struct kt_error *err)
{
	const char *unknown = NULL;
	struct suggest s;
	struct fault f;
	size_t len;
	int rc = fault_parse(&f, text, &unknown, &len, err);

	if (unknown) {
		suggest_init(&s, unknown, len);
		for (size_t i = 0; fault_effects[i]; i++)
			suggest_offer(&s, fault_effects[i]);
		if (s.best)
			kt_hint(err, "did you mean %s?", s.best);
	}
	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (strcmp(l->v[i].text, f.text) == 0)
			rc = kt_fail(err, EINVAL, "'%s' is there twice",
				     f.text);
	if (rc == 0 && l->n == FAULTS_MAX)
		rc = kt_fail(err, EINVAL, "more than %d faults", FAULTS_MAX);
	if (rc < 0)
		return rc;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = f;
	return 0;
}

static int value_set_faults(void *field, const struct option *opt,
			    const char *text, struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ';');
	int rc = 0;

	(void)opt;
	if (!parts.n)
		return kt_fail(err, EINVAL, "the value is empty");
	for (size_t i = 0; rc == 0 && i < parts.n; i++)
		if (strcmp(parts.v[i], "none") != 0)
			rc = value_fault(field, parts.v[i], err);
	if (rc < 0)
		value_fini_faults(field);
	return rc;
}

static int value_set_expect(void *field, const struct option *opt,
			    const char *text, struct kt_error *err)
{
	struct expect *v[EXPECTS_MAX];
	int n = 0;

	if (*text)
		n = expects_new(v, text, eventjson_fields, err);
	expects_free(v, n);
	return n < 0 ? n : value_set_string(field, opt, text, err);
}

/* One number and its unit off the front of @text; -EINVAL: there is none, or it
 * is too much */
static int value_span(const char **text, int64_t max, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ms", NS_MS },
		      { "s", NS_SEC },
		      { "m", 60 * NS_SEC },
		      { "h", 3600 * NS_SEC },
		      { "d", 86400 * NS_SEC } };
	int64_t n = 0, unit = NS_SEC;
	const char *p = *text;

	for (; isdigit((unsigned char)*p) && n <= max; p++)
		n = n * 10 + (*p - '0');
	if (p == *text || isdigit((unsigned char)*p))
		return -EINVAL;
	for (size_t i = 0; *p && i < ARRAY_SIZE(units); i++)
		if (str_starts(p, units[i].name)) {
			p += strlen(units[i].name);
			unit = units[i].ns;
			break;
		}
	*text = p;
	if (n > max / unit)
		return -EINVAL;
	*ns = n * unit;
	return 0;
}

static int value_set_duration(void *field, const struct option *opt,
			      const char *text, struct kt_error *err)
{
	int64_t *v = field, max = opt->max * NS_SEC, all = 0, one = 0;
	const char *p = text;
	int rc = 0;

	do {
		rc = value_span(&p, max, &one);
		all += one;
	} while (rc == 0 && *p && all <= max);
	if (rc < 0 || all > max || all < opt->min * NS_SEC)
		return kt_fail(err, EINVAL,
			       "'%s' is not a time of %ld to %ld seconds, as "
			       "90, 90s, 1m30s, 8h, 2d or 500ms are",
			       text, opt->min, opt->max);
	*v = all;
	return 0;
}

static bool value_is_variable_pattern(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-.*", *p))
			return false;
	return true;
}

static int value_set_variables(void *field, const struct option *opt,
			       const char *text, struct kt_error *err)
{
	struct strv parts = strv_split(text, ',');

	(void)opt;
	for (size_t i = 0; i < parts.n; i++) {
		if (value_is_variable_pattern(parts.v[i]))
			continue;
		kt_fail(err, EINVAL, "'%.80s' is no name of a variable",
			parts.v[i]);
		strv_fini(&parts);
		return -EINVAL;
	}
	*(struct strv *)field = parts;
	return 0;
}

static const struct {
	value_set_fn *set;
	fini_fn fini;
	size_t size;
} value_types[VALUE_NTYPES_] = {
	[VALUE_BOOL] = { set_bool, NULL, sizeof(bool) },
	[VALUE_INT] = { value_set_int, NULL, sizeof(int) },
	[VALUE_FAMILY] = { set_family, NULL, sizeof(int) },
	[VALUE_PORT] = { set_port, NULL, sizeof(uint16_t) },
	[VALUE_STRING] = { value_set_string, fini_string, sizeof(char *) },
	[VALUE_STRINGS] = { set_strings, fini_strings, sizeof(struct strv) },
	[VALUE_DOMAIN] = { set_domain, fini_string, sizeof(char *) },
	[VALUE_DOMAINS] = { set_domains, fini_strings, sizeof(struct strv) },
	[VALUE_CHOICE] = { set_choice, NULL, sizeof(int) },
	[VALUE_IMAGE] = { value_set_image, fini_string, sizeof(char *) },
	[VALUE_MARK] = { value_set_mark, fini_string, sizeof(char *) },
	[VALUE_MATCH] = { value_set_match, fini_string, sizeof(char *) },
	[VALUE_LABELS] = { set_pairs, fini_pairs, sizeof(struct pairs) },
	[VALUE_PAIRS] = { set_pairs, fini_pairs, sizeof(struct pairs) },
	[VALUE_SETTINGS] = { set_pairs, fini_pairs, sizeof(struct pairs) },
	[VALUE_ADDRESS] = { set_address, NULL, sizeof(struct ipaddr) },
	[VALUE_PREFIXES] = { set_prefixes, fini_prefixes,
			     sizeof(struct prefixes) },
	[VALUE_QUOTA] = { set_quota, fini_quota, sizeof(struct pod_quota) },
	[VALUE_DNS_MODE] = { set_dns_mode, fini_dns_mode,
			     sizeof(struct dns_option) },
	[VALUE_EXPOSE] = { set_expose, fini_expose, sizeof(struct expose) },
	[VALUE_USER] = { value_set_user, NULL, sizeof(long) },
	[VALUE_FAULTS] = { value_set_faults, value_fini_faults,
			   sizeof(struct fault_list) },
	[VALUE_EXPECT] = { value_set_expect, fini_string, sizeof(char *) },
	[VALUE_DURATION] = { value_set_duration, NULL, sizeof(int64_t) },
	[VALUE_IMAGE_OF] = { value_set_image_of, fini_string, sizeof(char *) },
	[VALUE_HOOK] = { value_set_hook, fini_string, sizeof(char *) },
	[VALUE_HEADER] = { value_set_header, fini_string, sizeof(char *) },
	[VALUE_GATEWAY] = { value_set_gateway, fini_string, sizeof(char *) },
	[VALUE_VARIABLES] = { value_set_variables, fini_strings,
			      sizeof(struct strv) },
	[VALUE_ENV_FROM] = { value_set_env_from, fini_strings,
			     sizeof(struct strv) },
};

/* A value is built here before it replaces the old one. */
union scratch {
	bool flag;
	int number;
	uint16_t port;
	char *string;
	struct strv strings;
	struct pairs pairs;
	struct prefixes prefixes;
	struct ipaddr address;
	struct pod_quota quota;
	struct dns_option dns;
	struct expose expose;
	long user;
	struct fault_list faults;
	int64_t duration;
};

/* Nobody means a line end, or a megabyte; both would make a riddle of whatever
 * is said about the value */
int value_plain(const char *text, char allowed, struct kt_error *err)
{
	size_t n = strlen(text);

	if (n > VALUE_TEXT_MAX)
		return kt_fail(err, EINVAL,
			       "the value has %zu bytes, more than %zu", n,
			       VALUE_TEXT_MAX);
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p) && *p != allowed)
			return kt_fail(err, EINVAL,
				       "the value has a control character");
	return 0;
}

static int make(const struct option *opt, union scratch *s, const char *text,
		struct kt_error *err)
{
	if (value_plain(text, opt->repeats, err) < 0)
		return -EINVAL;
	if (opt->not_empty && !*text)
		return kt_fail(err, EINVAL, "the value is empty");
	memset(s, 0, sizeof(*s));
	return value_types[opt->type].set(s, opt, text, err);
}

int value_set(const struct option *opt, struct options *o, const char *text,
	      struct kt_error *err)
{
	unsigned char *field = (unsigned char *)o + opt->offset;
	union scratch s;
	int rc = make(opt, &s, text, err);

	if (rc < 0)
		return rc;
	value_fini(opt, o);
	memcpy(field, &s, value_types[opt->type].size);
	return 0;
}

int value_check(const struct option *opt, const char *text,
		struct kt_error *err)
{
	union scratch s;
	int rc = make(opt, &s, text, err);

	if (rc == 0 && value_types[opt->type].fini)
		value_types[opt->type].fini(&s);
	return rc;
}

void value_fini(const struct option *opt, struct options *o)
{
	if (value_types[opt->type].fini)
		value_types[opt->type].fini((unsigned char *)o + opt->offset);
}

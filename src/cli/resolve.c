/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/resolve.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/mark.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/subject.h"
#include "cli/value.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>

static int set_default(struct options *o, const struct option *opt,
		       struct kt_error *err)
{
	/* a type without an empty form (a path is empty, a port is not)
	 * has a default text in its row */
	return value_set(opt, o, opt->fallback, err);
}

static void set_from_config(struct options *o, const struct option *opt,
			    const char *group, const struct config *cfg)
{
	struct kt_error bad = { 0 };
	char item[ITEM_STRLEN];
	const char *text;

	option_item(opt, item, sizeof(item));
	text = cfg ? config_value(cfg, group, item) : NULL;
	if (text && value_set(opt, o, text, &bad) < 0)
		log_warn("~/.kt/config: %s.%s is ignored: %s", group, item,
			 bad.msg);
}

static int set_from_env(struct options *o, const struct option *opt,
			const char *group, struct kt_error *err)
{
	char name[ITEM_STRLEN + 32];
	const char *text = getenv(option_env(opt, group, name, sizeof(name)));
	int rc;

	if (!text || !*text)
		return 0;
	rc = value_set(opt, o, text, err);
	return rc < 0 ? kt_wrap(err, rc, "environment variable %s", name) : 0;
}

static int set_table(struct options *o, const struct option *table,
		     const char *group, const struct config *cfg,
		     struct kt_error *err)
{
	const struct option *opt;

	for_each_option (opt, table) {
		int rc = set_default(o, opt, err);

		if (rc < 0)
			return kt_wrap(err, rc, "default of --%s", opt->name);
		if (opt->no_config || !group)
			continue;
		set_from_config(o, opt, group, cfg);
		rc = set_from_env(o, opt, group, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool was_given(const struct invocation *inv, const struct config *cfg,
		      const char *name)
{
	const struct option *opt =
		option_find(inv->command->options, name, strlen(name));
	char item[ITEM_STRLEN], env[ITEM_STRLEN + 32];
	const char *text;

	for (size_t i = 0; i < inv->nflags; i++)
		if (inv->flags[i].opt == opt)
			return true;
	option_item(opt, item, sizeof(item));
	text = getenv(option_env(opt, inv->command->group, env, sizeof(env)));
	return (text && *text) ||
	       (cfg && config_value(cfg, inv->command->group, item));
}

static bool resolve_is_loopback(const struct ipaddr *a)
{
	static const struct ipaddr six = { AF_INET6, { [15] = 1 } };

	return a->family == AF_INET ? a->b[0] == 127 : ipaddr_eq(a, &six);
}

/* One that is used, not made */
static int resolve_check_given(const char *shadow, struct kt_error *err)
{
	struct kt_error why = { 0 };
	auto_free char *text = NULL;
	struct subject s;

	text = strchr(shadow, '/') ? xstrdup(shadow)
				   : xasprintf("pod/%s", shadow);
	if (subject_parse(&s, text, &why) == 0 &&
	    (s.kind == SUBJECT_POD || s.kind == SUBJECT_DEPLOYMENT))
		return 0;
	return kt_fail(err, EINVAL,
		       "--shadow: '%s' is neither the name of a Pod nor "
		       "deployment/NAME",
		       shadow);
}

static int resolve_check_shadow(const struct options *o, struct kt_error *err)
{
	const struct connect_options *c = &o->connect;
	const char *with = c->share_shadow	      ? "--shareShadow"
			   : o->global.pod.deployment ? "--useShadowDeployment"
						      : NULL;
	int rc = resolve_check_given(c->shadow, err);

	if (rc < 0)
		return rc;
	if (with) {
		kt_hint(err, "leave one of the two away");
		return kt_fail(err, EINVAL,
			       "--shadow uses what is there, and %s makes one",
			       with);
	}
	if (c->dns_mode.kind != DNS_MODE_HOSTS)
		return 0;
	kt_hint(err, "use --dnsMode localDNS");
	return kt_fail(err, EINVAL,
		       "--dnsMode hosts lists the Services of the cluster, "
		       "which --shadow does not ask for");
}

static int resolve_check_env(const char *env, struct kt_error *err)
{
	if (!env || envmark_is_name(slice_of(env)))
		return 0;
	return kt_fail(err, EINVAL, "--env: '%.80s' is no environment's name",
		       env);
}

static int resolve_check_shadows(const struct connect_options *c,
				 struct kt_error *err)
{
	if (c->shadows < 2 || (!c->shadow && !c->share_shadow))
		return 0;
	return kt_fail(err, EINVAL,
		       "--shadows 2 makes two of its own, and %s uses one "
		       "that others use",
		       c->shadow ? "--shadow" : "--shareShadow");
}

static int resolve_check_run(const struct options *o, struct kt_error *err)
{
	int rc = resolve_check_env(o->connect.env, err);

	if (rc == 0)
		rc = resolve_check_shadows(&o->connect, err);
	if (rc == 0 && o->connect.shadow)
		rc = resolve_check_shadow(o, err);
	if (rc < 0 || o->connect.dns_mode.kind != DNS_MODE_HOSTS)
		return rc;
	kt_hint(err, "use --dnsMode localDNS");
	return kt_fail(err, EINVAL,
		       "--dnsMode hosts changes this machine's hosts file, "
		       "which a program of run does not read");
}

static int check_connect(const struct connect_options *c, struct kt_error *err)
{
	char a[IPADDR_STRLEN];
	int rc = resolve_check_env(c->env, err);

	if (rc == 0)
		rc = resolve_check_shadows(c, err);
	if (rc < 0)
		return rc;
	if (c->dns_mode.kind == DNS_MODE_POD && c->mode == CONNECT_TUN2SOCKS) {
		kt_hint(err, "use --dnsMode localDNS, or --mode sshuttle");
		return kt_fail(err, EINVAL,
			       "--dnsMode podDNS does not work with --mode "
			       "tun2socks");
	}
	if (!resolve_is_loopback(&c->proxy_addr) && !c->disable_tun_device) {
		kt_hint(err, "add --disableTunDevice, or leave it at "
			     "127.0.0.1");
		return kt_fail(err, EINVAL,
			       "--proxyAddr %s opens the proxy to others, "
			       "which needs --disableTunDevice",
			       ipaddr_str(&c->proxy_addr, a));
	}
	return 0;
}

static const struct inbound_options *job_of(const struct options *o)
{
	const char *group = o->command->group;

	if (strcmp(group, "exchange") == 0)
		return &o->exchange.in;
	if (strcmp(group, "mesh") == 0)
		return &o->mesh.in;
	return strcmp(group, "preview") == 0 ? &o->preview.in : NULL;
}

static int resolve_check_copy(const struct mesh_options *m,
			      struct kt_error *err)
{
	if (m->percent_given && !m->copy)
		return kt_fail(err, EINVAL,
			       "--percent is the share that --copy copies: "
			       "without --copy it means nothing");
	if (m->copy && m->mode == MESH_MANUAL)
		return kt_fail(err, EINVAL,
			       "--copy is for --mode auto: in mode manual the "
			       "routes of the service mesh decide, and there "
			       "is no router that makes copies");
	return 0;
}

/* A default of the configuration file will do, so this is no parser's work */
static int check_inbound(const struct inbound_options *in, struct kt_error *err)
{
	if (!in || in->expose.n || in->program)
		return 0;
	kt_hint(err, "for instance --expose 8080: the port of your program on "
		     "this machine");
	return kt_fail(err, EINVAL, "--expose is missing");
}

static int resolve_check_mesh(const struct mesh_options *m,
			      struct kt_error *err)
{
	struct mark mark;

	if (resolve_check_copy(m, err) < 0)
		return -EINVAL;
	if (m->mode != MESH_MANUAL)
		return m->route ? kt_fail(err, EINVAL,
					  "--route is for --mode manual: in "
					  "mode auto no service mesh is needed")
				: 0;
	if (m->match)
		return kt_fail(err, EINVAL,
			       "--match is for --mode auto: in mode manual the "
			       "routes of the service mesh decide");
	if (mark_parse(&mark, m->version_mark, err) < 0)
		return kt_wrap(err, -EINVAL, "--versionMark");
	if (!mark_is_label(&mark))
		return kt_fail(err, EINVAL,
			       "--versionMark %s:%s cannot be a label of a Pod",
			       mark.key, mark.value);
	return 0;
}

static int resolve_check_preview(const struct options *o,
				 enum subject_kind kind, struct kt_error *err)
{
	const struct expose *e = &o->preview.in.expose;

	if (kind != SUBJECT_SERVICE)
		return kt_fail(err, EINVAL, "preview makes a Service, no %s",
			       subject_kind_name(kind));
	for (size_t i = 0; i < e->n; i++)
		if (!e->v[i].number)
			return kt_fail(err, EINVAL,
				       "--expose %u:%s: a new Service needs "
				       "the number of its port",
				       e->v[i].local, e->v[i].name);
	return 0;
}

/* Of a command that brings traffic here */
static int resolve_check_job(const struct options *o, struct kt_error *err)
{
	const struct inbound_options *in = job_of(o);
	struct subject subject = { .kind = SUBJECT_SERVICE };
	int rc = check_inbound(in, err);

	if (!in || rc < 0)
		return rc;
	if (o->nargs && subject_parse(&subject, o->args[0], err) < 0)
		return -EINVAL;
	if (subject.ns[0] && o->global.namespace &&
	    strcmp(subject.ns, o->global.namespace) != 0)
		return kt_fail(err, EINVAL,
			       "two namespaces are named: %s and --namespace "
			       "%s",
			       subject.ns, o->global.namespace);
	if (in == &o->mesh.in)
		return resolve_check_mesh(&o->mesh, err);
	return in == &o->preview.in
		       ? resolve_check_preview(o, subject.kind, err)
		       : 0;
}

/* What was given with flag @i, and before it with the same one where that is
 * one more each time; returned, caller frees */
static char *resolve_text(const struct invocation *inv, size_t i)
{
	const struct option *opt = inv->flags[i].opt;
	char *all = xstrdup("");

	for (size_t k = 0; k <= i; k++) {
		char *more;

		if (inv->flags[k].opt != opt || (k < i && !opt->repeats))
			continue;
		more = *all ? xasprintf("%s%c%s", all, opt->repeats,
					inv->flags[k].text)
			    : xstrdup(inv->flags[k].text);
		free(all);
		all = more;
	}
	return all;
}

/* A flag of doctor's, which is one of the command @c that it looks at; @text:
 * NULL: not given */
static int resolve_judged_flag(struct options *o, const struct command *c,
			       const char *name, const char *text,
			       struct kt_error *err)
{
	const struct option *opt =
		c ? option_find(c->options, name, strlen(name)) : NULL;

	if (!text || (!c && o->nargs)) /* it is told which commands there are */
		return 0;
	if (!opt)
		return kt_fail(err, EINVAL, "doctor --%s: %s%s", name,
			       c ? c->name : "no command",
			       c ? " has no such flag" : " is named");
	return value_set(opt, o, text, err) < 0
		       ? kt_wrap(err, -EINVAL, "--%s", name)
		       : 0;
}

/* A command is looked at as it would run: with its configuration */
static int resolve_judged(struct options *o, const struct config *cfg,
			  struct kt_error *err)
{
	const struct command *c = o->nargs ? command_find(o->args[0]) : NULL;
	int rc = 0;

	if (c && c->group) {
		o->judged = c;
		rc = set_table(o, c->options, c->group, cfg, err);
	}
	if (rc == 0)
		rc = resolve_judged_flag(o, c, "mode", o->doctor.mode, err);
	if (rc == 0)
		rc = resolve_judged_flag(o, c, "route", o->doctor.route, err);
	if (rc == 0 && o->doctor.shadow)
		rc = resolve_check_given(o->doctor.shadow, err);
	return rc;
}

int options_resolve(struct options *o, const struct invocation *inv,
		    const struct config *cfg, struct kt_error *err)
{
	const struct command *c = inv->command;
	int rc;

	*o = (struct options){ .command = c,
			       .args = inv->args,
			       .nargs = inv->nargs,
			       .nbefore = inv->nbefore,
			       .ended = inv->ended,
			       .given = inv->flags,
			       .ngiven = inv->nflags };
	rc = set_table(o, global_option_table, "global", cfg, err);
	if (rc == 0 && c)
		rc = set_table(o, c->options, c->group, cfg, err);
	for (size_t i = 0; rc == 0 && i < inv->nflags; i++) {
		auto_free char *text = resolve_text(inv, i);

		if (inv->flags[i].opt->repeats && !*inv->flags[i].text)
			rc = kt_fail(err, EINVAL, "the value is empty");
		else if (value_plain(inv->flags[i].text, '\0', err) < 0)
			rc = -EINVAL;
		else
			rc = value_set(inv->flags[i].opt, o, text, err);
		if (rc < 0)
			kt_wrap(err, rc, "--%s", inv->flags[i].opt->name);
	}
	if (rc == 0 && c && strcmp(c->name, "doctor") == 0)
		rc = resolve_judged(o, cfg, err);
	if (rc < 0 || !c || !c->group)
		return rc;
	if (strcmp(c->group, "run") == 0)
		rc = resolve_check_run(o, err);
	if (strcmp(c->name, "connect") == 0) {
		o->connect.dns_port_given = was_given(inv, cfg, "dnsPort");
		rc = check_connect(&o->connect, err);
		if (rc == 0 && o->connect.shadow)
			rc = resolve_check_shadow(o, err);
	}
	/* whose sidecars are given what is given here */
	if (strcmp(c->name, "compose") == 0 && o->connect.shadow)
		rc = resolve_check_shadow(o, err);
	if (rc == 0 && strcmp(c->group, "mesh") == 0)
		o->mesh.percent_given = was_given(inv, cfg, "percent");
	return rc < 0 ? rc : resolve_check_job(o, err);
}

void options_fini(struct options *o)
{
	const struct option *opt;

	for_each_option (opt, global_option_table)
		value_fini(opt, o);
	for_each_option (opt, o->command ? o->command->options : NULL)
		value_fini(opt, o);
	for_each_option (opt, o->judged ? o->judged->options : NULL)
		value_fini(opt, o);
}

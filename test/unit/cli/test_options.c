/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "base/loop.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/help.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- every row of KT's table ---------------------------------------------- */

struct row {
	char *command, *flag, *letter, *type, *fallback;
};

/* The tab-separated fields of @line, empty ones included */
static bool row_parse(struct row *r, char *line)
{
	char **field[] = { &r->command, &r->flag, &r->letter, &r->type,
			   &r->fallback };

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		*field[i] = strsep(&line, "\t");
		if (!*field[i])
			return false;
	}
	return r->command[0] != '#';
}

static const char *sample(const struct row *r)
{
	static const struct {
		const char *flag, *value;
	} special[] = {
		{ "nodeSelector", "a=b" },
		{ "withLabel", "a=b" },
		{ "withAnnotation", "a=b" },
		{ "podQuota", "0.5c,512m" },
		{ "includeIps", "10.0.0.1" },
		{ "excludeIps", "10.0.0.0/8" },
		{ "ingressIp", "10.0.0.1" },
		{ "includeDomains", "corp.x" },
		{ "expose", "8080:http" },
		/* the default text has a placeholder */
		{ "image", "registry.example/kt-connect-shadow:v0.3.7" },
		{ "routerImage", "registry.example/kt-router:v0.3.7" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (strcmp(special[i].flag, r->flag + 2) == 0)
			return special[i].value;
	return *r->fallback ? r->fallback : "text";
}

static void accepted(const char *fmt, const char *a, const char *b,
		     const char *c)
{
	auto_free char *line = xasprintf("ktctl %s %s %s", a, b, c);
	struct cli cli;

	cli_run(&cli, line);
	if (cli.rc < 0)
		fail_msg("%s (%s): %s", line, fmt, cli.err.msg);
	cli_fini(&cli);
}

static const char *arguments(const struct command *c)
{
	if (!c->min_args)
		return "";
	if (option_find(c->options, "expose", 6))
		return "a --expose 80"; /* it is required */
	return strcmp(c->name, "config set") == 0 ? "a b" : "a";
}

static void help_text(const struct command *c, char **text)
{
	size_t len;
	FILE *f = open_memstream(text, &len);

	assert_non_null(f);
	help_print(f, c, NULL);
	fclose(f);
}

static void check_help(const struct row *r, const struct command *c)
{
	auto_free char *help = NULL;
	const char *at;

	help_text(c, &help);
	if (strcmp(r->flag, "--asWorker") == 0)
		return;
	at = strstr(help, r->flag);
	assert_non_null(at);
	if (strcmp(r->flag, "--namespace") == 0 ||
	    strcmp(r->flag, "--image") == 0 ||
	    strcmp(r->flag, "--routerImage") == 0 ||
	    strcmp(r->type, "bool") == 0)
		return; /* decided otherwise (docs/design.md), or not shown */
	if (*r->fallback) {
		/* the text is wrapped: the value alone is looked for */
		auto_free char *dflt = xasprintf("%s)", r->fallback);

		assert_non_null(strstr(at, dflt));
	}
}

static void check_row(const struct row *r, const struct command *c,
		      const char *words, const char *args)
{
	bool flag_only = strcmp(r->type, "bool") == 0;
	auto_free char *word = flag_only
				       ? xstrdup(r->flag)
				       : xasprintf("%s=%s", r->flag, sample(r));
	auto_free char *apart =
		flag_only ? xasprintf("%s=false", r->flag)
			  : xasprintf("%s %s", r->flag, sample(r));
	auto_free char *after = xasprintf("%s %s", word, args);
	auto_free char *both = xasprintf("%s %s", apart, args);

	accepted("after", words, after, "");
	accepted("after, apart", words, both, "");
	if (*r->letter) {
		auto_free char *brief =
			xasprintf("%s %s %s", r->letter,
				  flag_only ? "" : sample(r), args);

		accepted("short", words, brief, "");
	}
	accepted("before", word, words, args);
	check_help(r, c);
}

static void every_row(void **state)
{
	auto_fclose FILE *f = fopen(getenv("KT_CLI_TSV"), "re");
	char line[1024];
	int checked = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct row r;
		const struct command *c;
		bool global;

		if (!row_parse(&r, line) || strcmp(r.flag, "-") == 0 ||
		    strcmp(r.flag, "--help") == 0 ||
		    strcmp(r.flag, "--version") == 0)
			continue;
		global = strcmp(r.command, "(global)") == 0;
		c = command_find(global ? "connect" : r.command);
		if (!c)
			continue; /* a command of a later version */
		check_row(&r, c, c->name, arguments(c));
		checked++;
	}
	assert_in_range(checked, 18 + 16 + 4 + 5 + 3 + 3, 1000);
}

/* --- values --------------------------------------------------------------- */

static void job(void **state)
{
	struct cli c;

	(void)state;
	cli_run(&c, "ktctl exchange web");
	assert_int_equal(c.rc, -EINVAL);
	assert_string_equal(c.err.msg, "--expose is missing");
	cli_fini(&c);
	cli_run(&c, "ktctl exchange web --expose 8080,53:dns/udp --mode scale "
		    "--graceTime 3");
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.exchange.mode, EXCHANGE_SCALE);
	assert_int_equal(c.o.exchange.in.expose.n, 2);
	assert_int_equal(c.o.exchange.in.grace_time, 3);
	assert_int_equal(c.o.exchange.recover_wait_time, 120);
	assert_false(c.o.exchange.in.skip_port_checking);
	cli_fini(&c);
	cli_run(&c, "ktctl mesh web --expose 80 --versionMark me:x "
		    "--match path:/api");
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.mesh.mode, MESH_AUTO);
	assert_string_equal(c.o.mesh.version_mark, "me:x");
	assert_string_equal(c.o.mesh.match, "path:/api");
	assert_int_equal(c.o.mesh.in.grace_time, 10);
	assert_false(c.o.mesh.copy);
	cli_fini(&c);
	cli_run(&c, "ktctl mesh web --expose 80 --copy");
	assert_true(c.o.mesh.copy && !c.o.mesh.percent_given);
	assert_int_equal(c.o.mesh.percent, 100);
	cli_fini(&c);
	cli_run(&c, "ktctl mesh web --expose 80 --copy --percent 100");
	assert_true(c.o.mesh.copy && c.o.mesh.percent_given);
	cli_fini(&c);
	cli_run(&c, "ktctl preview new --expose x");
	assert_int_equal(c.rc, -EINVAL);
	cli_fini(&c);
	cli_run(&c, "ktctl recover a b");
	assert_int_equal(c.rc, -EINVAL);
	cli_fini(&c);
}

static void defaults(void **state)
{
	const struct connect_options *k;
	struct cli c;

	(void)state;
	cli_run(&c, "ktctl connect");
	assert_int_equal(c.rc, 0);
	assert_null(c.o.global.namespace);
	assert_string_equal(c.o.global.pod.service_account, "default");
	assert_null(c.o.global.pod.image); /* the program is brought along */
	assert_null(c.o.global.pod.base_image);
	assert_int_equal(c.o.global.port_forward_timeout, 10);
	assert_int_equal(c.o.global.pod.creation_timeout, 60);
	assert_int_equal(c.o.global.ip_version, 4);
	k = &c.o.connect;
	assert_int_equal(k->mode, CONNECT_TUN2SOCKS);
	assert_int_equal(k->dns_mode.kind, DNS_MODE_LOCAL);
	assert_int_equal(k->dns_mode.list.n, 2);
	assert_string_equal(k->dns_mode.list.v[0], "cluster");
	assert_string_equal(k->dns_mode.list.v[1], "upstream");
	assert_string_equal(k->cluster_domain, "cluster.local");
	assert_int_equal(k->proxy_port, 2223);
	assert_int_equal(k->dns_cache_ttl, 60);
	assert_int_equal(k->dns_port, 10053);
	assert_false(k->dns_port_given);
	assert_int_equal(k->ingress_ip.family, 0);
	cli_fini(&c);
}

static void typed(void **state)
{
	struct cli c;
	char s[IPPREFIX_STRLEN];

	(void)state;
	cli_run(&c, "ktctl connect --podQuota 0.5c,512m --withLabel a=1,b=,a=2 "
		    "--includeIps 10.1.2.3,10.2.0.0/16 --dnsPort 5353 "
		    "--clusterDomain .Corp.Example. --dnsMode hosts:x,y "
		    "--includeDomains .a.B,c --ingressIp fd00::1 "
		    "--disableTunDevice --proxyAddr 0.0.0.0 "
		    "--runAsUser 1000650000");
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.global.pod.run_as_user, 1000650000);
	assert_string_equal(c.o.global.pod.quota.cpu, "0.5");
	assert_string_equal(c.o.global.pod.quota.memory, "512Mi");
	assert_int_equal(c.o.global.pod.labels.n, 2);
	assert_string_equal(c.o.global.pod.labels.v[0].value, "2");
	assert_string_equal(c.o.global.pod.labels.v[1].value, "");
	assert_int_equal(c.o.connect.include_ips.n, 2);
	assert_string_equal(ipprefix_str(&c.o.connect.include_ips.v[1], s),
			    "10.2.0.0/16");
	assert_int_equal(c.o.connect.dns_port, 5353);
	assert_true(c.o.connect.dns_port_given);
	assert_string_equal(c.o.connect.cluster_domain, "corp.example");
	assert_int_equal(c.o.connect.dns_mode.kind, DNS_MODE_HOSTS);
	assert_string_equal(c.o.connect.dns_mode.list.v[1], "y");
	assert_string_equal(c.o.connect.include_domains.v[0], "a.b");
	assert_int_equal(c.o.connect.ingress_ip.family, AF_INET6);
	cli_fini(&c);

	cli_run(&c, "ktctl connect -n '' --mode sshuttle --dnsMode podDNS "
		    "--runAsUser none --shadow deployment/team");
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.o.connect.shadow, "deployment/team");
	assert_int_equal(c.o.global.pod.run_as_user, POD_USER_NONE);
	assert_null(c.o.global.namespace);
	assert_int_equal(c.o.connect.mode, CONNECT_SSHUTTLE);
	assert_int_equal(c.o.connect.dns_mode.kind, DNS_MODE_POD);
	cli_fini(&c);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"--proxyPort 0",
		"--proxyPort 65536",
		"--proxyPort 12x",
		"--proxyPort=",
		"--mode tun",
		"--mode=",
		"--dnsMode localdns",
		"--dnsMode podDNS:x",
		"--dnsMode localDNS:cluster,nonsense",
		"--dnsMode podDNS",
		"--dnsMode hostsx",
		"--includeIps 10.0.0.0/33",
		"--includeIps a",
		"--excludeIps 1.2.3",
		"--ingressIp web",
		"--proxyAddr=",
		"--proxyAddr 0.0.0.0",
		"--podQuota 1.2.3c",
		"--podQuota 1x",
		"--podQuota c",
		"--podQuota 0c",
		"--podQuota -1c",
		"--shadow svc/x",
		"--shadow x_y",
		"--shadow deployment/",
		"--shadow x/y/z",
		"--shadow x --shareShadow",
		"--shadow x --useShadowDeployment",
		"--shadow x --dnsMode hosts",
		"--runAsUser root",
		"--runAsUser 0",
		"--runAsUser -1",
		"--runAsUser +5",
		"--runAsUser 2147483648",
		"--runAsUser None",
		"--runAsUser=",
		"--withLabel a",
		"--withLabel =a",
		"--ipVersion 5",
		"--portForwardTimeout 0",
		"--podCreationTimeout -1",
		"--dnsCacheTtl -1",
		"--dnsCacheTtl 99999999999999999999",
		"--debug=maybe",
		"--clusterDomain=",
		"--clusterDomain a..b",
		"--includeDomains a/b",
		"--serviceAccount=",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *line = xasprintf("ktctl connect %s", bad[i]);
		struct cli c;

		cli_run(&c, line);
		if (c.rc >= 0)
			fail_msg("accepted: %s", line);
		assert_true(c.err.msg[0]);
		cli_fini(&c);
	}
}

/* Given again, it is one more; so is what stands behind a ';' */
static void repeated(void **state)
{
	static const char *const argv[] = {
		"ktctl",   "connect", "--fault", "db refuse; web:80 latency=1s",
		"--fault", "none",    "--fault", "* drop percent=1",
	};
	struct cli c = { 0 };

	(void)state;
	c.rc = parse_argv(&c.inv, ARRAY_SIZE(argv),
			  (char *const *)(uintptr_t)argv, &c.err);
	if (c.rc == 0)
		c.rc = options_resolve(&c.o, &c.inv, NULL, &c.err);
	if (c.rc < 0)
		fail_msg("%s", c.err.msg);
	assert_int_equal(c.o.connect.faults.n, 3);
	assert_string_equal(c.o.connect.faults.v[0].text, "db refuse");
	assert_int_equal(c.o.connect.faults.v[1].port, 80);
	assert_true(c.o.connect.faults.v[2].all);
	cli_fini(&c);
}

/* Once for each variable: a value may be anything but a line end */
static void settings(void **state)
{
	static const char *const argv[] = {
		"ktctl", "env",	    "join",  "pr-42", "orders",	  "--image=r/o",
		"--set", "A=b,c=d", "--set", "B=x; ", "--set=A=",
	};
	static const char *const wrong[] = {
		"ktctl", "env", "join", "pr-42", "orders", "--set", "A=b\nC=d",
	};
	struct cli c = { 0 };

	(void)state;
	c.rc = parse_argv(&c.inv, ARRAY_SIZE(argv),
			  (char *const *)(uintptr_t)argv, &c.err);
	if (c.rc == 0)
		c.rc = options_resolve(&c.o, &c.inv, NULL, &c.err);
	if (c.rc < 0)
		fail_msg("%s", c.err.msg);
	assert_int_equal(c.o.env.set.n, 2);
	assert_string_equal(c.o.env.set.v[0].key, "A");
	assert_string_equal(c.o.env.set.v[0].value, ""); /* the last counts */
	assert_string_equal(c.o.env.set.v[1].value, "x; ");
	cli_fini(&c);
	c = (struct cli){ 0 };
	c.rc = parse_argv(&c.inv, ARRAY_SIZE(wrong),
			  (char *const *)(uintptr_t)wrong, &c.err);
	if (c.rc == 0)
		c.rc = options_resolve(&c.o, &c.inv, NULL, &c.err);
	assert_int_equal(c.rc, -EINVAL);
	assert_non_null(strstr(c.err.msg, "control character"));
	cli_fini(&c);
}

/* flag > environment > file > default; zero values in the file count */
static void precedence(void **state)
{
	struct config cfg = { 0 };
	struct cli c;

	(void)state;
	config_set(&cfg, "connect", "proxy-port", "1");
	config_set(&cfg, "connect", "dns-cache-ttl", "0");
	config_set(&cfg, "connect", "mode", "nonsense");
	config_set(&cfg, "global", "debug", "true");
	config_set(&cfg, "global", "service-account", "robot");
	cli_run_config(&c, "ktctl connect --debug=false", &cfg);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.connect.proxy_port, 1);
	assert_int_equal(c.o.connect.dns_cache_ttl, 0);
	assert_int_equal(c.o.connect.mode, CONNECT_TUN2SOCKS);
	assert_false(c.o.global.debug);
	assert_string_equal(c.o.global.pod.service_account, "robot");
	cli_fini(&c);

	setenv("KTCTL_CONNECT_PROXY_PORT", "2", 1);
	setenv("KTCTL_IMAGE", "other:1", 1);
	setenv("KTCTL_CONNECT_MODE", "", 1);
	cli_run_config(&c, "ktctl connect", &cfg);
	assert_int_equal(c.o.connect.proxy_port, 2);
	assert_string_equal(c.o.global.pod.image, "other:1");
	cli_fini(&c);
	cli_run_config(&c, "ktctl connect --proxyPort 3 -i x", &cfg);
	assert_int_equal(c.o.connect.proxy_port, 3);
	assert_string_equal(c.o.global.pod.image, "x");
	cli_fini(&c);

	setenv("KTCTL_CONNECT_PROXY_PORT", "x", 1);
	cli_run(&c, "ktctl connect");
	assert_int_equal(c.rc, -EINVAL);
	assert_non_null(strstr(c.err.msg, "KTCTL_CONNECT_PROXY_PORT"));
	cli_fini(&c);
	unsetenv("KTCTL_CONNECT_PROXY_PORT");
	unsetenv("KTCTL_CONNECT_MODE");
	unsetenv("KTCTL_IMAGE");
	config_fini(&cfg);
}

/* doctor looks at a command as it is configured, or as its own flags say */
static void judged(void **state)
{
	struct config cfg = { 0 };
	struct cli c;

	(void)state;
	config_set(&cfg, "exchange", "mode", "scale");
	config_set(&cfg, "connect", "shadow", "deployment/x");
	cli_run_config(&c, "ktctl doctor exchange", &cfg);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.exchange.mode, EXCHANGE_SCALE);
	cli_fini(&c);
	cli_run_config(&c, "ktctl doctor exchange web --mode ephemeral", &cfg);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.exchange.mode, EXCHANGE_EPHEMERAL);
	cli_fini(&c);
	cli_run_config(&c, "ktctl --route istio doctor mesh", &cfg);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.mesh.route, ROUTE_ISTIO);
	cli_fini(&c);
	cli_run_config(&c, "ktctl doctor connect", &cfg);
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.o.connect.shadow, "deployment/x");
	cli_fini(&c);
	cli_run_config(&c, "ktctl doctor", &cfg);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.exchange.mode, EXCHANGE_SELECTOR);
	assert_null(c.o.connect.shadow);
	cli_fini(&c);
	config_fini(&cfg);
}

/* Every row has a known configuration item, the other way round too */
static void items(void **state)
{
	const struct command *c;
	const struct option *opt;

	(void)state;
	for_each_option (opt, global_option_table) {
		char item[ITEM_STRLEN];
		auto_free char *name = NULL;

		option_item(opt, item, sizeof(item));
		name = xasprintf("global.%s", item);
		assert_true(config_item_known(name));
		assert_ptr_equal(option_by_item(name), opt);
	}
	for_each_command (c) {
		for_each_option (opt, c->group ? c->options : NULL) {
			char item[ITEM_STRLEN];
			auto_free char *name = NULL;

			option_item(opt, item, sizeof(item));
			name = xasprintf("%s.%s", c->group, item);
			assert_int_equal(config_item_known(name),
					 !opt->no_config);
			if (opt->no_config)
				continue;
			/* compose has connect's items */
			if (strcmp(c->name, "compose") == 0)
				assert_int_equal(option_by_item(name)->offset,
						 opt->offset);
			else
				assert_ptr_equal(option_by_item(name), opt);
		}
	}
	assert_null(option_by_item("connect.excludeIps"));
	assert_null(option_by_item("connect"));
	assert_null(option_by_item("global."));
}

/* a shell that works with the test cluster has KTCTL_IMAGE */
static void drop_environment(void)
{
	for (char **e = environ; *e;) {
		size_t n = strcspn(*e, "=");
		auto_free char *name = xstrndup(*e, n);

		if (strncmp(name, "KTCTL_", 6) == 0 && unsetenv(name) == 0)
			e = environ;
		else
			e++;
	}
}

/* Of "env create --ttl", in seconds */
static void time_is(const char *text, int64_t seconds)
{
	char line[64];
	struct cli c;

	snprintf(line, sizeof(line), "ktctl env create x --ttl %s", text);
	cli_run(&c, line);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.o.env.ttl, seconds * NS_SEC);
	cli_fini(&c);
}

static void times(void **state)
{
	struct cli c;

	(void)state;
	time_is("90", 90);
	time_is("90s", 90);
	time_is("1m30s", 90);
	time_is("8h", 8 * 3600);
	time_is("2d", 2 * 86400);
	time_is("1d12h", 36 * 3600);
	time_is("1h30m", 90 * 60);
	time_is("0", 0);
	time_is("365d", 365 * 86400);
	cli_run(&c, "ktctl env create x");
	assert_int_equal(c.o.env.ttl, 8 * 3600 * NS_SEC);
	cli_fini(&c);
	cli_run(&c, "ktctl env create x --ttl 366d");
	assert_int_not_equal(c.rc, 0);
	cli_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row), cmocka_unit_test(defaults),
		cmocka_unit_test(job),	     cmocka_unit_test(typed),
		cmocka_unit_test(refused),   cmocka_unit_test(precedence),
		cmocka_unit_test(items),     cmocka_unit_test(times),
		cmocka_unit_test(repeated),  cmocka_unit_test(judged),
		cmocka_unit_test(settings),
	};

	drop_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

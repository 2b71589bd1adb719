/* SPDX-License-Identifier: Apache-2.0 */
#include "run/compose_sidecar.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "kube/kubeconfig.h"
#include "local/home.h"
#include "run/compose_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIDECAR_PROGRAM "/ktctl"
#define SIDECAR_HOME "/tmp"

struct sidecar {
	json_t *words, *mounts;
	bool readable; /* by root without CAP_DAC_OVERRIDE */
	bool foreign;  /* something is not UTF-8 */
};

/* --- its command line ----------------------------------------------------- */

/* Of this call alone, or said in another way */
static bool sidecar_leaves_out(const struct option *opt)
{
	static const char *const names[] = {
		"file",	      "whole",	    "container", "envInclude",
		"envExclude", "kubeconfig", "context",	 "namespace",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(opt->name, names[i]) == 0)
			return true;
	return opt->hidden;
}

static void sidecar_word(struct sidecar *s, const char *name, const char *text)
{
	auto_free char *word = xasprintf("--%s=%s", name, text);
	auto_free char *value = compose_text(word);

	if (json_array_append_new(s->words, json_string(value)) < 0)
		s->foreign = true;
}

/* Of the environment of this call; the configuration file is mounted */
static void sidecar_env_words(struct sidecar *s, const struct options *o,
			      const struct option *table, const char *group)
{
	char name[ITEM_STRLEN + 32];
	const struct option *opt;

	for_each_option (opt, table) {
		const char *text = NULL;
		bool given = false;

		for (size_t i = 0; i < o->ngiven; i++)
			given |= o->given[i].opt == opt;
		if (!given && !opt->no_config && !sidecar_leaves_out(opt))
			text = getenv(
				option_env(opt, group, name, sizeof(name)));
		if (text && *text)
			sidecar_word(s, opt->name, text);
	}
}

static void sidecar_words(struct sidecar *s, const struct options *o,
			  const struct kube_config *config,
			  const char *kubeconfig)
{
	s->words = json_pack("[s, s]", "connect", "--mode=sshuttle");
	if (!o->connect.shadow)
		json_array_append_new(s->words, json_string("--shareShadow"));
	sidecar_env_words(s, o, global_option_table, "global");
	sidecar_env_words(s, o, o->command->options, o->command->group);
	for (size_t i = 0; i < o->ngiven; i++)
		if (!sidecar_leaves_out(o->given[i].opt))
			sidecar_word(s, o->given[i].opt->name,
				     o->given[i].text);
	sidecar_word(s, "kubeconfig", kubeconfig);
	sidecar_word(s, "context", config->context);
	sidecar_word(s, "namespace",
		     o->global.namespace ? o->global.namespace
					 : config->namespace_);
}

/* --- what it sees of this machine ----------------------------------------- */

static void sidecar_mount(struct sidecar *s, const char *source,
			  const char *target)
{
	auto_free char *from = compose_text(source);
	auto_free char *to = compose_text(target);
	json_t *one = json_pack("{s:s, s:s, s:s, s:b}", "type", "bind",
				"source", from, "target", to, "read_only", 1);

	if (json_array_append_new(s->mounts, one) < 0)
		s->foreign = true;
}

/* A path that may be a link, where it is looked for */
static void sidecar_mount_dir(struct sidecar *s, const char *path)
{
	auto_free char *real = realpath(path, NULL);

	if (real)
		sidecar_mount(s, real, path);
}

static char *sidecar_absolute(const char *path)
{
	auto_free char *cwd = getcwd(NULL, 0);

	return *path == '/' || !cwd ? xstrdup(path)
				    : xasprintf("%s/%s", cwd, path);
}

static void sidecar_mount_file(struct sidecar *s, const char *source,
			       const char *target)
{
	struct stat st;

	sidecar_mount(s, source, target);
	if (stat(source, &st) == 0 && st.st_uid != 0 && !(st.st_mode & S_IROTH))
		s->readable = false;
}

/* At their paths, since one names the other */
static void sidecar_mount_files(struct sidecar *s, const struct strv *files)
{
	for (size_t i = 0; i < files->n; i++) {
		auto_free char *path = sidecar_absolute(files->v[i]);

		sidecar_mount_file(s, path, path);
	}
}

static void sidecar_mounts(struct sidecar *s, const struct kube_config *config,
			   const struct home *home)
{
	auto_free char *self = realpath("/proc/self/exe", NULL);
	auto_free char *own = home_path(home, "config");

	s->mounts = json_array();
	s->readable = true;
	sidecar_mount(s, self ? self : "", SIDECAR_PROGRAM);
	sidecar_mount_dir(s, "/usr");
	sidecar_mount_dir(s, "/lib");
	sidecar_mount_dir(s, "/lib64");
	if (!config->ca_pem && !config->insecure)
		sidecar_mount_dir(s, "/etc/ssl/certs");
	sidecar_mount_files(s, &config->parts);
	sidecar_mount_files(s, &config->named);
	if (access(own, F_OK) == 0)
		sidecar_mount_file(s, own, SIDECAR_HOME "/.kt/config");
}

/* --- all ------------------------------------------------------------------ */

static bool sidecar_is_loopback(const char *server)
{
	static const char *const hosts[] = { "127.", "localhost", "[::1]",
					     "0.0.0.0" };
	const char *host = strstr(server, "://");

	host = host ? host + 3 : server;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		if (str_starts(host, hosts[i]))
			return true;
	return false;
}

static int sidecar_check(const struct kube_config *c, struct kt_error *err)
{
	if (!c->parts.n) {
		kt_hint(err, "name one with --kubeconfig");
		return kt_fail(err, ENOENT,
			       "a sidecar needs a kubeconfig file, and the one "
			       "in use is not one");
	}
	if (c->exec) {
		kt_hint(err, "'kubectl create token' makes a kubeconfig with a "
			     "token possible; or, without a sidecar, sudo "
			     "ktctl connect");
		return kt_fail(err, EINVAL,
			       "user '%s' of the kubeconfig gets its "
			       "credentials from the program %s, which a "
			       "container does not have",
			       c->user, c->exec->command);
	}
	if (!c->proxy_url && sidecar_is_loopback(c->server)) {
		kt_hint(err, "a cluster in a container has an address of its "
			     "own as well ('kind get kubeconfig --internal'); "
			     "or, without a sidecar, sudo ktctl connect");
		return kt_fail(err, EINVAL,
			       "the API server %s is on this machine's "
			       "loopback, which no container reaches",
			       c->server);
	}
	return 0;
}

static char *sidecar_kubeconfig(const struct kube_config *config)
{
	auto_strv struct strv paths = { 0 };

	for (size_t i = 0; i < config->parts.n; i++)
		strv_take(&paths, sidecar_absolute(config->parts.v[i]));
	return strv_join(&paths, ":");
}

/* So that what needs the cluster begins when it is there */
static json_t *sidecar_health(void)
{
	return json_pack("{s:[s, s, s, s], s:s, s:s, s:i}", "test", "CMD",
			 SIDECAR_PROGRAM, "status", "--check", "interval", "3s",
			 "timeout", "10s", "retries", 40);
}

int compose_sidecar(json_t **out, const struct options *o,
		    const struct kube_config *config, const struct home *home,
		    struct kt_error *err)
{
	auto_free char *kubeconfig = sidecar_kubeconfig(config);
	struct sidecar s = { 0 };
	json_t *caps;
	int rc = sidecar_check(config, err);

	if (rc < 0)
		return rc;
	sidecar_words(&s, o, config, kubeconfig);
	sidecar_mounts(&s, config, home);
	caps = json_pack("[s]", "NET_ADMIN");
	if (!s.readable)
		json_array_append_new(caps, json_string("DAC_OVERRIDE"));
	*out = json_pack("{s:[s], s:o, s:s, s:[s], s:o, s:[s], s:b, s:[s, s], "
			 "s:{s:s}, s:o, s:o}",
			 "entrypoint", SIDECAR_PROGRAM, "command", s.words,
			 "user", "0:0", "cap_drop", "ALL", "cap_add", caps,
			 "security_opt", "no-new-privileges:true", "read_only",
			 1, "tmpfs", "/tmp", "/run", "environment", "HOME",
			 SIDECAR_HOME, "volumes", s.mounts, "healthcheck",
			 sidecar_health());
	if (!s.foreign)
		return 0;
	json_decref(*out);
	return kt_fail(err, EINVAL,
		       "a path or a value of this call is not UTF-8, which a "
		       "compose file has to be");
}

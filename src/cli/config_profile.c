/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl config list-profile, save-profile, load-profile, drop-profile */
#include "cli/app.h"
#include "cli/config.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "local/home.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NAME_MAX_LEN 64

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return n && n <= NAME_MAX_LEN && !name[n] && name[0] != '.';
}

static int config_profile_check_name(const char *name, struct kt_error *err)
{
	if (name_ok(name))
		return 0;
	kt_hint(err, "use letters, digits, '-', '_' and '.'");
	return kt_fail(err, EINVAL, "'%s' is no name for a profile", name);
}

static int exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int config_profile_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int profile_list(const struct home *h, struct strv *names, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int fd = home_open_dir(h, "profile", 0, &why);
	struct dirent *e;
	DIR *d;

	if (fd < 0 && why.code == ENOENT)
		return 0;
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return kt_fail(err, why.code ? why.code : errno,
			       "list profiles in %s/profile: %s", h->dir,
			       strerror(why.code ? why.code : errno));
	}
	while ((e = readdir(d)))
		if (name_ok(e->d_name) && exists(dirfd(d), e->d_name))
			strv_add(names, e->d_name);
	closedir(d);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v),
		      config_profile_by_name);
	return 0;
}

static void print_profile(int dir, const char *name)
{
	char when[32] = "-";
	struct stat st;
	struct tm tm;

	if (fstatat(dir, name, &st, 0) == 0 && localtime_r(&st.st_mtime, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	print_line(stdout, "%s  %s", when, name);
}

int command_config_list_profile(struct app *app, const struct options *o)
{
	auto_strv struct strv names = { 0 };
	auto_close int dir = -1;
	struct kt_error err = { 0 };

	(void)o;
	if (profile_list(app->home, &names, &err) < 0)
		return app_fail(app, -err.code, &err);
	dir = names.n ? home_open_dir(app->home, "profile", 0, &err) : -1;
	for (size_t i = 0; i < names.n; i++)
		print_profile(dir, names.v[i]);
	return EXIT_OK;
}

/* Only on a terminal; a script that says save means it */
static bool may_overwrite(const char *name)
{
	char answer[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	fprintf(stderr, "Profile %s exists. Overwrite it? (y/N) ", name);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return tolower((unsigned char)answer[0]) == 'y';
}

int command_config_save_profile(struct app *app, const struct options *o)
{
	const char *name = o->args[0];
	struct kt_error err = { 0 };
	struct config cfg = { 0 };
	auto_close int dir = -1;
	int rc;

	if (config_profile_check_name(name, &err) < 0)
		return app_usage(app, &err);
	dir = home_open_dir(app->home, "profile", 1, &err);
	if (dir < 0)
		return app_fail(app, dir, &err);
	if (exists(dir, name) && !may_overwrite(name)) {
		kt_fail(&err, EEXIST, "profile %s is left as it was", name);
		return app_fail(app, -EEXIST, &err);
	}
	rc = config_load(&cfg, app->home, "", "config", &err);
	if (rc == 0)
		rc = config_save(&cfg, app->home, "profile", name, &err);
	config_fini(&cfg);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}

static int no_profile(struct app *app, const char *name, struct kt_error *err)
{
	kt_fail(err, ENOENT, "there is no profile %s", name);
	kt_hint(err, "ktctl config list-profile lists the profiles");
	return app_fail(app, -ENOENT, err);
}

int command_config_load_profile(struct app *app, const struct options *o)
{
	const char *name = o->args[0];
	struct kt_error err = { 0 }, why = { 0 };
	auto_free char *text = NULL;
	struct config cfg;
	size_t len = 0;
	int rc;

	if (config_profile_check_name(name, &err) < 0)
		return app_usage(app, &err);
	text = home_read(app->home, "profile", name, CONFIG_MAX_SIZE, &len,
			 &why);
	if (!text && why.code == ENOENT)
		return no_profile(app, name, &err);
	if (!text)
		return app_fail(app, -why.code, &why);
	if (o->config.dry_run) {
		print_text(stdout, text, len);
		return EXIT_OK;
	}
	rc = config_parse(&cfg, text, len, &err);
	if (rc < 0)
		kt_wrap(&err, rc, "profile %s is damaged", name);
	else
		rc = config_save(&cfg, app->home, "", "config", &err);
	config_fini(&cfg);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}

int command_config_drop_profile(struct app *app, const struct options *o)
{
	const char *name = o->args[0];
	struct kt_error err = { 0 };
	auto_close int dir = -1;

	if (config_profile_check_name(name, &err) < 0)
		return app_usage(app, &err);
	dir = home_open_dir(app->home, "profile", 0, NULL);
	if (dir < 0 || !exists(dir, name))
		return no_profile(app, name, &err);
	if (unlinkat(dir, name, 0) < 0) {
		kt_fail(&err, errno, "delete profile %s: %s", name,
			strerror(errno));
		return app_fail(app, -err.code, &err);
	}
	return EXIT_OK;
}

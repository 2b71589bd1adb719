/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl birdseye: who has which Service, and who is connected. It only reads:
 * collect.c lists, ask.c asks the shadows, rows.c says what that means, look.c
 * makes one document of it.
 */
#include "base/mem.h"
#include "base/print.h"
#include "birdseye/collect.h"
#include "birdseye/look.h"
#include "birdseye/view.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/yaml.h"
#include "cluster/nscheck.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define BIRDSEYE_AGAIN (2 * NS_SEC)  /* --watch */
#define BIRDSEYE_LOOK (1800 * NS_MS) /* what the lists leave is for asking */
#define BIRDSEYE_CLEAR "\033[H\033[2J\033[3J"

struct birdseye {
	struct app *app;
	const struct birdseye_options *opt;
	const struct global_options *global;
	struct kube_config *config;
	struct kube *kube;
	const char *ns;	  /* the own one */
	json_t *shown;	  /* --watch: what was printed last */
	struct strv told; /* of collection.notes */
};

static void birdseye_tell(struct birdseye *b, const struct collection *c)
{
	for (size_t i = 0; i < c->notes.n; i++) {
		if (strv_has(&b->told, c->notes.v[i]))
			continue;
		strv_add(&b->told, c->notes.v[i]);
		progress_note(b->app->progress, "%s", c->notes.v[i]);
	}
}

/* A view of now (returned, caller decrefs), or NULL with @err */
static json_t *birdseye_look(struct birdseye *b, int64_t *now,
			     struct kt_error *err)
{
	const struct look look = {
		.app = b->app,
		.global = b->global,
		.kube = b->kube,
		.ns = b->opt->all_namespaces ? NULL : b->ns,
		.connectors = b->opt->show_connector,
		.hide_natural = b->opt->hide_natural,
		.by_name = b->opt->sort_by == BIRDSEYE_BY_NAME,
		.until = clock_ns() + BIRDSEYE_LOOK,
	};
	auto_json json_t *answers = NULL;
	struct collection c;
	json_t *view = NULL;
	int rc = collect(&c, b->kube, look.ns, look.connectors ? b->ns : NULL,
			 err);

	if (rc == 0 && look.ns && !json_array_size(c.services) &&
	    !json_array_size(c.pods))
		rc = nscheck(b->kube, look.ns, err);
	if (rc == 0) {
		*now = look_now(&look);
		birdseye_tell(b, &c);
		answers = look_ask(&look, &c, NULL);
		view = look_view(&look, &c, answers, *now);
	}
	collection_fini(&c);
	return view;
}

static void birdseye_print(const struct birdseye *b, const json_t *view,
			   int64_t now)
{
	bool watch = b->opt->watch;

	if (b->opt->output == BIRDSEYE_JSON)
		view_print_json(view, watch);
	else if (b->opt->output == BIRDSEYE_YAML)
		yaml_print(view);
	else
		view_print_table(view, now, b->opt->all_namespaces);
	fflush(stdout);
}

/* Nothing but times has passed */
static bool birdseye_is_same(const json_t *a, const json_t *b)
{
	auto_json json_t *x = json_deep_copy(a), *y = json_deep_copy(b);
	const json_t *views[] = { x, y };
	json_t *service, *session;
	size_t i, k;

	for (size_t v = 0; v < ARRAY_SIZE(views); v++) {
		json_object_del((json_t *)(uintptr_t)views[v], "time");
		json_array_foreach (json_object_get(views[v], "services"), i,
				    service)
			json_array_foreach (
				json_object_get(service, "sessions"), k,
				session)
				json_object_del(session, "age");
		json_array_foreach (json_object_get(views[v], "connectors"), i,
				    session)
			json_object_del(session, "age");
	}
	return x && y && json_equal(x, y);
}

/* A terminal is drawn anew, for the times; elsewhere only what is new is said
 */
static void birdseye_show(struct birdseye *b, json_t *view, int64_t now)
{
	static const char separator[] = "---";
	bool terminal =
		isatty(STDOUT_FILENO) && b->opt->output == BIRDSEYE_TABLE;

	if (terminal)
		(void)!write(STDOUT_FILENO, BIRDSEYE_CLEAR,
			     strlen(BIRDSEYE_CLEAR));
	else if (b->shown && birdseye_is_same(b->shown, view))
		return;
	else if (b->shown && b->opt->output != BIRDSEYE_JSON)
		print_text(stdout, separator, strlen(separator));
	birdseye_print(b, view, now);
	json_decref(b->shown);
	b->shown = json_incref(view);
}

static int birdseye_fail(struct kt_error *err, const struct kt_error *why)
{
	*err = *why;
	return -why->code;
}

/* Until a signal; a server that is away is told of once */
static int birdseye_watch(struct birdseye *b, struct kt_error *err)
{
	bool failed = false;

	for (;;) {
		struct kt_error why = { 0 };
		int64_t now = 0;
		auto_json json_t *view = birdseye_look(b, &now, &why);

		if (view)
			birdseye_show(b, view, now);
		else if (loop_interrupted(b->app->loop))
			return 0;
		else if (!b->shown || why.http_status == 403)
			return birdseye_fail(err, &why);
		else if (!failed)
			progress_note(b->app->progress, "%s", why.msg);
		failed = !view;
		if (ferror(stdout)) /* SIGPIPE is ignored: nobody reads on */
			return kt_fail(err, EPIPE, "write to stdout: %s",
				       strerror(EPIPE));
		if (loop_sleep(b->app->loop, BIRDSEYE_AGAIN) < 0)
			return 0;
	}
}

static int birdseye_once(struct birdseye *b, struct kt_error *err)
{
	int64_t now = 0;
	auto_json json_t *view = birdseye_look(b, &now, err);

	if (!view)
		return -err->code;
	birdseye_print(b, view, now);
	return 0;
}

static int birdseye_open(struct birdseye *b, struct kt_error *err)
{
	struct kube_config_source src = { .files = b->global->kubeconfig,
					  .context = b->global->context };
	int rc = kube_config_load(&b->config, &src, err);

	if (rc < 0)
		return rc;
	b->ns = b->global->namespace ? b->global->namespace
				     : b->config->namespace_;
	return kube_new(&b->kube, b->app->loop, b->config, err);
}

int command_birdseye(struct app *app, const struct options *o)
{
	struct birdseye b = { .app = app,
			      .opt = &o->birdseye,
			      .global = &o->global };
	struct kt_error err = { 0 };
	int rc = birdseye_open(&b, &err);

	if (rc == 0)
		rc = b.opt->watch ? birdseye_watch(&b, &err)
				  : birdseye_once(&b, &err);
	json_decref(b.shown);
	strv_fini(&b.told);
	kube_free(b.kube);
	kube_config_free(b.config);
	if (rc == 0)
		return EXIT_OK;
	rc = app_fail(app, rc, &err);
	offer_role(&err, "birdseye");
	return rc;
}

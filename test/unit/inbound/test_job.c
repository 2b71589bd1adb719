/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "inbound/job.h"
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define WEB "/api/v1/namespaces/n/services/web"

static void expect_text(const char *typed, const char *text)
{
	static const char service[] =
		"{\"metadata\": {\"name\": \"web\"}, \"spec\": {\"ports\": ["
		"{\"name\": \"http\", \"port\": 80, \"targetPort\": 8080},"
		"{\"name\": \"dns\", \"port\": 53, \"targetPort\": 5353, "
		"\"protocol\": \"UDP\"}]}}";
	auto_json json_t *web = json_loads(service, 0, NULL);
	struct inbound_options opt = { .skip_port_checking = true };
	struct job job = { .opt = &opt, .service = web };
	struct kt_error err = { 0 };
	auto_free char *got = NULL;

	assert_int_equal(expose_parse(&opt.expose, typed, &err), 0);
	assert_int_equal(service_ports_make(&job.ports, web, NULL, &err), 0);
	assert_int_equal(job_map(&job, &err), 0);
	got = job_text(&job);
	assert_string_equal(got, text);
	service_ports_fini(&job.ports);
	expose_fini(&opt.expose);
	free(job.local);
}

static void says_what_was_typed(void **state)
{
	(void)state;
	expect_text("8080", "8080 to localhost:8080");
	expect_text("80", "80 to localhost:80");
	expect_text("8000:80", "80 to localhost:8000");
	expect_text("8000:8080", "8080 to localhost:8000");
	expect_text("8000:http", "http to localhost:8000");
	expect_text("8000:80,9053:53/udp",
		    "80 to localhost:8000, 53/udp to localhost:9053");
}

/* Service web as its owner has it */
static void put_web(struct store *s, const char *uid)
{
	store_put(s, WEB,
		  json_pack("{s:s,s:{s:s,s:s},s:{s:{s:s}}}", "kind", "Service",
			    "metadata", "name", "web", "uid", uid, "spec",
			    "selector", "app", "web"));
}

/* The shadow's Pod is gone, and the Service is not ours any more: @uid is that
 * of the Service that is there then */
static void expect_end(const char *uid, const char *says)
{
	struct store s;
	struct app app = { 0 };
	struct job job = { .app = &app, .ns = "n", .name = "web" };
	struct kt_error err = { 0 };

	store_init(&s);
	app.loop = s.w.loop;
	job.kube = s.w.kube;
	job.selector = json_pack("{s:s}", "kt-target", "x");
	put_web(&s, "first");
	assert_int_equal(job_read(&job, &err), 0);
	assert_int_equal(job_take(&job, &err), 0);
	assert_int_equal(job.renew(job.change_user, &err), 0); /* ours */

	put_web(&s, uid);
	assert_int_equal(job.renew(job.change_user, &err), -ECANCELED);
	assert_non_null(strstr(err.msg, says));

	keep_fini(&job);
	json_decref(job.selector);
	json_decref(job.service);
	json_decref(job.original);
	store_fini(&s);
}

static void says_how_it_was_lost(void **state)
{
	(void)state;
	expect_end("first", "was recovered by somebody else");
	expect_end("second", "was deleted and made anew");
}

/* --- what others do to the objects ---------------------------------------- */

#define ALL "/api/v1/namespaces/n/services"
#define ORIGIN ALL "/web-kt-stuntman"

struct play {
	struct store s;
	struct app app;
	struct global_options global;
	struct job job;
	struct kt_error err;
};

static void play_init(struct play *p)
{
	*p = (struct play){ .job = { .ns = "n", .name = "web" } };
	store_init(&p->s);
	p->app.loop = p->s.w.loop;
	p->job.app = &p->app;
	p->job.global = &p->global;
	p->job.kube = p->s.w.kube;
	p->job.selector = json_pack("{s:s}", "kt-target", "x");
	put_web(&p->s, "first");
	assert_int_equal(job_read(&p->job, &p->err), 0);
}

static void play_fini(struct play *p)
{
	job_stuntman_remove(&p->job);
	keep_fini(&p->job);
	json_decref(p->job.selector);
	json_decref(p->job.service);
	json_decref(p->job.original);
	free(p->job.origin);
	store_fini(&p->s);
}

/* An exchange with its origin at 10.0.0.1 */
static void play_exchange(struct play *p)
{
	json_t *origin;

	play_init(p);
	store_put(&p->s, ORIGIN,
		  json_pack("{s:{s:s,s:{s:s}},s:{s:s}}", "metadata", "name",
			    "web-kt-stuntman", "labels", "control-by", "kt",
			    "spec", "clusterIP", "10.0.0.1"));
	assert_int_equal(job_stuntman(&p->job, &p->err), 0);
	assert_int_equal(job_take(&p->job, &p->err), 0);
	assert_int_equal(p->job.on_change(&p->job, &p->err), 0);
	origin = store_get(&p->s, ORIGIN);
	assert_string_equal(json_str(origin, "spec", "selector", "app", NULL),
			    "web");
}

static void drop(struct play *p, const char *path)
{
	json_object_del(p->s.objects, path);
}

static int attend(struct play *p)
{
	p->err = (struct kt_error){ 0 };
	return p->job.on_change(p->job.change_user, &p->err);
}

/* What is there may be of one who was killed */
static void an_origin_is_of_who_has_it_now(void **state)
{
	struct play p;
	json_t *origin;

	(void)state;
	for (int standing = 0; standing < 2; standing++) {
		play_init(&p);
		p.job.face.standing = standing;
		store_put(&p.s, ORIGIN,
			  json_pack("{s:{s:s,s:{s:s},s:{s:s,s:s}},s:{s:s}}",
				    "metadata", "name", "web-kt-stuntman",
				    "labels", "control-by", "kt", "annotations",
				    "kt-owner", "dead", "kt-last-heart-beat",
				    "5", "spec", "clusterIP", "10.0.0.1"));
		assert_int_equal(job_stuntman(&p.job, &p.err), 0);
		origin = store_get(&p.s, ORIGIN);
		assert_null(object_annotation(origin, "kt-owner"));
		assert_int_equal(
			!object_annotation(origin, "kt-last-heart-beat"),
			standing);
		play_fini(&p);
	}
}

static void an_origin_is_made_again_where_it_was(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	drop(&p, ORIGIN);
	assert_int_equal(attend(&p), 0);
	assert_string_equal(
		json_str(store_get(&p.s, ORIGIN), "spec", "clusterIP", NULL),
		"10.0.0.1");
	json_object_set_new(
		json_at(store_get(&p.s, ORIGIN), "spec", "selector", NULL),
		"app", json_string("other"));
	assert_int_equal(attend(&p), 0);
	assert_string_equal(json_str(store_get(&p.s, ORIGIN), "spec",
				     "selector", "app", NULL),
			    "web");
	play_fini(&p);
}

static bool no_post(struct store *s, struct fake_conn *c, const char *method,
		    const char *path, const json_t *body)
{
	(void)s;
	(void)path;
	(void)body;
	if (strcmp(method, "POST") != 0)
		return false;
	fake_reply(c, 422, "Content-Type: application/json\r\n",
		   "{\"kind\":\"Status\",\"reason\":\"Invalid\","
		   "\"message\":\"already allocated\"}");
	return true;
}

/* Never half: where it cannot be made again, the job ends */
static void an_origin_that_cannot_be_made_ends_it(void **state)
{
	struct play p;
	int rc = 0;

	(void)state;
	play_exchange(&p);
	drop(&p, ORIGIN);
	p.s.before = no_post;
	for (int i = 0; rc == 0 && i < 40; i++) {
		rc = attend(&p);
		assert_int_equal(loop_sleep(p.s.w.loop, 100 * NS_MS), 0);
	}
	assert_int_equal(rc, -ECANCELED);
	assert_non_null(strstr(p.err.msg, "cannot be made again: "));
	play_fini(&p);
}

static void another_s_origin_is_not_touched(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	store_put(&p.s, ORIGIN,
		  json_pack("{s:{s:s,s:s}}", "metadata", "name",
			    "web-kt-stuntman", "uid", "another"));
	assert_int_equal(attend(&p), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "somebody else has made another"));
	job_stuntman_remove(&p.job);
	assert_non_null(store_get(&p.s, ORIGIN));
	play_fini(&p);
}

/* One alone: changed. With another, in any order: recovered. */
static void the_service_and_another_object_is_a_recover(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	put_web(&p.s, "first");
	assert_int_equal(attend(&p), 0);
	assert_string_equal(json_str(store_get(&p.s, WEB), "spec", "selector",
				     "kt-target", NULL),
			    "x");
	drop(&p, ORIGIN); /* soon after */
	assert_int_equal(attend(&p), -ECANCELED);
	assert_null(store_get(&p.s, ORIGIN));
	play_fini(&p);

	play_exchange(&p);
	drop(&p, ORIGIN); /* before: made again */
	assert_int_equal(attend(&p), 0);
	put_web(&p.s, "first");
	assert_int_equal(attend(&p), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "was recovered by somebody else"));
	assert_null(json_str(store_get(&p.s, WEB), "spec", "selector",
			     "kt-target", NULL));
	play_fini(&p);
}

/* A watch by label says "deleted" of what has only lost its label */
static void what_has_no_label_is_not_gone(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	absence_note(&p.job.keep.service[0].away, true, clock_ns());
	put_web(&p.s, "first");
	assert_int_equal(attend(&p), 0);
	play_fini(&p);
}

static void a_service_that_is_deleted_ends_it(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	drop(&p, WEB);
	assert_int_equal(attend(&p), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "was deleted by somebody"));
	play_fini(&p);
}

static json_t *make_new(void *user)
{
	(void)user;
	return json_pack("{s:{s:s,s:{s:s}},s:{s:{s:s}}}", "metadata", "name",
			 "web", "labels", "control-by", "kt", "spec",
			 "selector", "kt-target", "x");
}

static void a_preview_s_service_is_made_again(void **state)
{
	struct play p;
	json_t *other;

	(void)state;
	play_init(&p);
	keep_add(&p.job, "web", make_new, NULL, true);
	drop(&p, WEB);
	assert_int_equal(keep_objects(&p.job, &p.err), 0);
	assert_non_null(store_get(&p.s, WEB));
	assert_int_equal(keep_objects(&p.job, &p.err), 0);
	/* another preview has the name by now */
	other = make_new(NULL);
	json_object_set_new(json_at(other, "spec", "selector", NULL),
			    "kt-target", json_string("y"));
	json_object_set_new(json_object_get(other, "metadata"), "uid",
			    json_string("another"));
	store_put(&p.s, WEB, other);
	assert_int_equal(keep_objects(&p.job, &p.err), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "somebody else has made another"));
	assert_true(keep_is_foreign(&p.job, "web"));
	store_put(&p.s, WEB, make_new(NULL));
	p.job.keep.service[0].uid[0] = '\0';
	assert_int_equal(keep_objects(&p.job, &p.err), 0);
	/* the Pod, too: somebody has cleaned up */
	absence_note(&p.job.keep.pod, true, clock_ns());
	drop(&p, WEB);
	assert_int_equal(keep_objects(&p.job, &p.err), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "removed by somebody else"));
	assert_null(store_get(&p.s, WEB));
	play_fini(&p);
}

/* --- who puts it back each time ------------------------------------------- */

/* As @by applies its manifest: on the server's side, or merged on its own (what
 * the manifest does not name stays) */
static void revert(struct play *p, const char *by, bool merged, const char *app)
{
	json_t *web = json_deep_copy(store_get(&p->s, WEB));
	json_t *selector =
		merged ? json_deep_copy(p->job.selector) : json_object();

	json_object_set_new(selector, "app", json_string(app));
	json_object_set_new(json_object_get(web, "spec"), "selector", selector);
	json_object_set_new(json_object_get(web, "metadata"), "managedFields",
			    json_pack("[{s:s,s:s,s:s,s:s,s:{s:{s:{}}}}]",
				      "manager", by, "operation", "Apply",
				      "apiVersion", "v1", "time",
				      "2999-01-01T00:00:00Z", "fieldsV1",
				      "f:spec", "f:selector"));
	store_put(&p->s, WEB, web);
}

static bool is_ours(const struct play *p)
{
	return json_equal(
		json_at(store_get(&p->s, WEB), "spec", "selector", NULL),
		p->job.selector);
}

static void three_reverts_by_one_end_it(void **state)
{
	struct play p;

	(void)state;
	play_exchange(&p);
	revert(&p, "kustomize-controller", false, "web");
	assert_int_equal(attend(&p), 0);
	assert_true(is_ours(&p));
	revert(&p, "argocd-controller", true, "web");
	assert_int_equal(attend(&p), 0);
	revert(&p, "kustomize-controller", true, "web");
	assert_int_equal(attend(&p), 0);
	assert_true(is_ours(&p));
	/* a new manifest is none, and it is the one to go back to */
	revert(&p, "kustomize-controller", false, "new");
	assert_int_equal(attend(&p), 0);
	assert_true(is_ours(&p));
	revert(&p, "argocd-controller", false, "new");
	assert_int_equal(attend(&p), 0);
	assert_true(is_ours(&p));
	revert(&p, "kustomize-controller", false, "new");
	assert_int_equal(attend(&p), -ECANCELED);
	assert_non_null(strstr(p.err.msg, "Service n/web was put back 3 times "
					  "within a minute by "
					  "'kustomize-controller'"));
	assert_non_null(strstr(p.err.hint, "--mode ephemeral"));
	assert_non_null(strstr(p.err.hint, "ignoreDifferences for "
					   "/spec/selector"));
	assert_non_null(strstr(p.err.hint, "'ktctl env init'"));
	assert_non_null(strstr(p.err.hint,
			       "kustomize.toolkit.fluxcd.io/reconcile="
			       "disabled"));
	assert_true(job_give_back(&p.job));
	assert_string_equal(
		json_str(store_get(&p.s, WEB), "spec", "selector", "app", NULL),
		"new");
	assert_null(object_annotation(store_get(&p.s, WEB), "kt-selector"));
	play_fini(&p);
}

static void reverts_are_counted_for_a_minute(void **state)
{
	struct reverts r = { 0 };

	(void)state;
	assert_false(reverts_is_last(&r, "a", 0));
	reverts_note(&r, "a", NS_SEC);
	reverts_note(&r, NULL, 2 * NS_SEC);
	reverts_note(&r, "a", 50 * NS_SEC);
	assert_true(reverts_is_last(&r, "a", 60 * NS_SEC));
	assert_false(reverts_is_last(&r, "a", 61 * NS_SEC));
	assert_false(reverts_is_last(&r, "b", 60 * NS_SEC));
	assert_false(reverts_is_last(&r, NULL, 60 * NS_SEC));
	reverts_note(&r, NULL, 55 * NS_SEC);
	assert_true(reverts_is_last(&r, NULL, 60 * NS_SEC));
	for (int i = 0; i < 100; i++)
		reverts_note(&r, "c", 60 * NS_SEC);
	assert_true(reverts_is_last(&r, "c", 60 * NS_SEC));
	assert_false(reverts_is_last(&r, "a", 60 * NS_SEC));
}

static void the_rule_has_a_time(void **state)
{
	static const struct {
		int64_t claim, other;
		bool recovered;
	} all[] = {
		{ 0, 0, false },   { 50, 0, false },  { 0, 50, false },
		{ 50, 50, true },  { 50, 59, true },  { 59, 50, true },
		{ 50, 61, false }, { 61, 50, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct keep k = { .n = 2, .service[0].claim = true };

		absence_note(&k.claim, all[i].claim, all[i].claim * NS_SEC);
		absence_note(&k.service[0].away, true, 50 * NS_SEC);
		absence_note(&k.service[1].away, all[i].other,
			     all[i].other * NS_SEC);
		assert_int_equal(keep_recovered(&k), all[i].recovered);
		absence_note(&k.service[1].away, false, 0);
		k.service[1].away.since = 0;
		absence_note(&k.pod, all[i].other, all[i].other * NS_SEC);
		assert_int_equal(keep_recovered(&k), all[i].recovered);
	}
}

/* --- the start ------------------------------------------------------------ */

static bool was_ready, was_undone;

static int last_step(struct job *job, struct kt_error *err)
{
	(void)err;
	raise(SIGTERM);
	/* it is done all the same, and the loop has heard of it meanwhile */
	return loop_once(job->app->loop, -1) < 0 ? -EIO : 0;
}

static void say_ready(struct job *job)
{
	(void)job;
	was_ready = true;
}

static int serve(struct job *job, struct kt_error *err)
{
	bool never = false;

	job->ready = true;
	return loop_run_until(job->app->loop, &never, -1) < 0
		       ? kt_fail(err, EINTR, "interrupted")
		       : 0;
}

static void undo(struct job *job)
{
	(void)job;
	was_undone = true;
}

static void a_signal_in_the_last_step_breaks_off(void **state)
{
	static const struct job_plan plan = { .step = { last_step },
					      .ready = say_ready,
					      .serve = serve,
					      .undo = undo,
					      .role = "exchange" };
	struct kt_error err = { 0 };
	struct app app = { .loop = loop_new() };
	struct job job = { .app = &app };

	(void)state;
	app.signals = signals_new(app.loop, &err);
	assert_non_null(app.signals);
	app.progress = progress_new(app.loop, stderr);
	assert_int_equal(job_run(&job, &plan), EXIT_INTERRUPTED);
	assert_false(was_ready);
	assert_true(was_undone);
	progress_free(app.progress);
	signals_free(app.signals);
	loop_free(app.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_was_typed),
		cmocka_unit_test(says_how_it_was_lost),
		cmocka_unit_test(an_origin_is_made_again_where_it_was),
		cmocka_unit_test(an_origin_is_of_who_has_it_now),
		cmocka_unit_test(an_origin_that_cannot_be_made_ends_it),
		cmocka_unit_test(another_s_origin_is_not_touched),
		cmocka_unit_test(the_service_and_another_object_is_a_recover),
		cmocka_unit_test(what_has_no_label_is_not_gone),
		cmocka_unit_test(a_service_that_is_deleted_ends_it),
		cmocka_unit_test(a_preview_s_service_is_made_again),
		cmocka_unit_test(three_reverts_by_one_end_it),
		cmocka_unit_test(reverts_are_counted_for_a_minute),
		cmocka_unit_test(the_rule_has_a_time),
		cmocka_unit_test(a_signal_in_the_last_step_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cluster/object_watch.h"
#include "cluster/objects.h"
#include "inbound/exchange.h"
#include "inbound/scale_back.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define WEB "/apis/apps/v1/namespaces/n/deployments/web"
#define POD "/api/v1/namespaces/n/pods/shadow"

/* Deployment web: what it stands at, its annotations, how many are ready */
static void put_web(struct store *s, int replicas, const char *annotations,
		    int ready)
{
	store_put(s, WEB,
		  json_pack("{s:s,s:{s:s,s:o},s:{s:i},s:{s:i}}", "kind",
			    "Deployment", "metadata", "name", "web",
			    "annotations", json_quoted(annotations), "spec",
			    "replicas", replicas, "status", "readyReplicas",
			    ready));
}

/* "2 3": it stands at 2, its record says 3 */
static void expect_web(const struct store *s, const char *want)
{
	const json_t *web = store_get(s, WEB);
	const char *record = object_annotation(web, "kt-replicas");
	char got[64];

	snprintf(
		got, sizeof(got), "%d %s",
		(int)json_integer_value(json_at(web, "spec", "replicas", NULL)),
		record ? record : "-");
	assert_string_equal(got, want);
}

/* --- scaling back --------------------------------------------------------- */

static char said[500];

static void on_say(void *user, const char *text)
{
	(void)user;
	strncat(said, text, sizeof(said) - strlen(said) - 1);
	strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static int back(struct store *s, int told, int64_t limit)
{
	const struct scale_back b = {
		.kube = s->w.kube, .ns = "n", .limit = limit, .say = on_say
	};
	auto_json json_t *list =
		json_pack("[{s:s,s:{s:s},s:i}]", "kind", "Deployment",
			  "metadata", "name", "web", "replicas", told);
	struct kt_error err = { 0 };

	*said = '\0';
	return scale_back(&b, list, &err);
}

static void keeps_the_record_until_ready(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_web(&s, 0, "{'kt-replicas': '0'}", 0);
	assert_int_equal(back(&s, 2, 0), 1);
	expect_web(&s, "2 2");
	assert_non_null(strstr(said, "scaled Deployment web back to 2\n"));
	assert_non_null(strstr(said, "are not ready"));
	/* the next one: only the record is left to do */
	put_web(&s, 2, "{'kt-replicas': '2', 'kt-scaled-back': 'eve'}", 2);
	assert_int_equal(back(&s, 2, 0), 0);
	expect_web(&s, "2 -");
	assert_null(object_annotation(store_get(&s, WEB), "kt-scaled-back"));
	assert_string_equal(said, "");
	store_fini(&s);
}

static void leaves_what_is_its_owners(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_web(&s, 1, "{}", 1);
	assert_int_equal(back(&s, 2, 0), 0);
	expect_web(&s, "1 -");
	put_web(&s, 0, "{}", 0);
	assert_int_equal(back(&s, 0, 0), 0);
	expect_web(&s, "0 -");
	assert_int_equal(store_logged(&s, "PATCH"), 0);
	store_fini(&s);
}

/* --- what others do meanwhile --------------------------------------------- */

struct fixture {
	struct store s;
	struct app app;
	struct shadow_pod *shadow;
	struct exchange x;
};

static int service_is_well(void *user, struct kt_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static void fixture_init(struct fixture *f)
{
	struct shadow_config cfg = { .ns = "n" };

	*f = (struct fixture){ 0 };
	store_init(&f->s);
	f->app.loop = f->s.w.loop;
	cfg.kube = f->s.w.kube;
	f->shadow = shadow_new(&cfg);
	shadow_adopt(f->shadow, "shadow", "standalone", 1);
	f->x = (struct exchange){
		.job = { .app = &f->app,
			 .kube = f->s.w.kube,
			 .ns = "n",
			 .name = "web",
			 .shadow = f->shadow,
			 .on_change = service_is_well,
			 .renew = service_is_well },
		.kind = "Deployment",
		.resource = "deployments",
		.workload_name = (char *)(uintptr_t) "web",
		.replicas = 2,
	};
	f->x.job.change_user = &f->x.job;
	f->x.labels = json_pack("{s:s}", "app", "web");
	store_put(&f->s, POD,
		  json_pack("{s:{s:s}}", "metadata", "name", "shadow"));
	exchange_scale_keep(&f->x);
}

static void fixture_fini(struct fixture *f)
{
	exchange_scale_let(&f->x);
	shadow_free(f->shadow);
	json_decref(f->x.labels);
	store_fini(&f->s);
}

static int changed(struct fixture *f, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	return f->x.job.on_change(&f->x.job, err);
}

static void stays_down(void **state)
{
	struct kt_error err;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	put_web(&f.s, 0, "{'kt-replicas': '2'}", 0);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 2");
	assert_int_equal(store_logged(&f.s, "PATCH " WEB), 0);
	/* the Pod, which may be another one, has the labels */
	assert_string_equal(object_label(store_get(&f.s, POD), "app") ?: "",
			    "web");
	/* the record is lost */
	put_web(&f.s, 0, "{}", 0);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 2");
	/* somebody scales it, and all the rest is there */
	put_web(&f.s, 3, "{'kt-replicas': '2'}", 0);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 3");
	fixture_fini(&f);
}

static void expect_recovered(struct fixture *f, const char *annotations,
			     const char *by)
{
	auto_free char *text =
		xasprintf("Deployment n/web was recovered by %s", by);
	struct kt_error err;

	put_web(&f->s, 2, annotations, 0);
	assert_int_equal(changed(f, &err), -ECANCELED);
	assert_string_equal(err.msg, text);
	assert_int_equal(store_logged(&f->s, "PATCH " WEB), 0);
}

static void knows_who_recovers(void **state)
{
	struct kt_error err = { 0 };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	expect_recovered(&f, "{'kt-replicas': '2', 'kt-scaled-back': 'eve'}",
			 "eve");
	expect_recovered(&f, "{}", "somebody else");
	/* it is scaled first, and the shadow goes next */
	store_put(&f.s, POD,
		  json_quoted("{'metadata': {'name': 'shadow', "
			      "'deletionTimestamp': 'now'}}"));
	expect_recovered(&f, "{'kt-replicas': '2'}", "somebody else");
	/* the other way round: another shadow is there before that is seen */
	put_web(&f.s, 0, "{'kt-replicas': '2'}", 0);
	assert_int_equal(f.x.job.renew(&f.x.job, &err), 0);
	store_put(&f.s, POD,
		  json_pack("{s:{s:s}}", "metadata", "name", "shadow"));
	expect_recovered(&f, "{'kt-replicas': '2'}", "somebody else");
	assert_int_equal(f.x.job.renew(&f.x.job, &err), -ECANCELED);
	fixture_fini(&f);
}

/* As manager @by has it: of the whole, or of subresource "scale" */
static void revert(struct fixture *f, int replicas, const char *by, bool scale)
{
	json_t *web, *entry;

	put_web(&f->s, replicas, "{'kt-replicas': '2'}", 0);
	web = json_deep_copy(store_get(&f->s, WEB));
	entry = json_pack("{s:s,s:s,s:s,s:{s:{s:{}}}}", "manager", by,
			  "operation", "Apply", "time", "2999-01-01T00:00:00Z",
			  "fieldsV1", "f:spec", "f:replicas");
	if (scale)
		json_object_set_new(entry, "subresource", json_string("scale"));
	json_object_set_new(json_object_get(web, "metadata"), "managedFields",
			    json_pack("[o]", entry));
	store_put(&f->s, WEB, web);
}

static void three_reverts_by_one_end_it(void **state)
{
	struct kt_error err;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	/* others do it, too */
	reverts_note(&f.x.job.reverts, "argocd-controller", clock_ns());
	reverts_note(&f.x.job.reverts, "argocd-controller", clock_ns());
	revert(&f, 2, "kustomize-controller", false);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 2");
	/* to another number is none, and that is the one to go back to */
	revert(&f, 3, "kustomize-controller", false);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 3");
	revert(&f, 3, "kustomize-controller", true);
	assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "0 3");
	revert(&f, 3, "kustomize-controller", false);
	assert_int_equal(changed(&f, &err), -ECANCELED);
	assert_string_equal(err.msg,
			    "Deployment n/web was put back 3 times within a "
			    "minute by 'kustomize-controller': it is given "
			    "back");
	assert_non_null(strstr(err.hint, "--mode ephemeral"));
	assert_non_null(strstr(err.hint, "ignoreDifferences for "
					 "/spec/replicas"));
	/* it is as that manager wants it */
	assert_int_equal(json_integer_value(json_at(store_get(&f.s, WEB),
						    "spec", "replicas", NULL)),
			 3);
	fixture_fini(&f);
}

/* The API server takes no write of ours */
static bool refuse_writes(struct store *s, struct fake_conn *c,
			  const char *method, const char *path,
			  const json_t *body)
{
	(void)s;
	(void)path;
	(void)body;
	if (strcmp(method, "PATCH") != 0 && strcmp(method, "PUT") != 0)
		return false;
	fake_reply(c, 403, "", "{\"kind\": \"Status\", \"code\": 403}");
	return true;
}

/* One change by a manager counts once, however often we have to look at it
 * before it is put right */
static void one_revert_counts_once(void **state)
{
	struct kt_error err;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	put_web(&f.s, 2, "{'kt-replicas': '2'}", 0);
	f.s.before = refuse_writes;
	for (int i = 0; i < 5; i++)
		assert_int_equal(changed(&f, &err), 0);
	expect_web(&f.s, "2 2");
	assert_int_equal(f.x.job.reverts.n, 0);
	f.s.before = NULL;
	for (int i = 1; i < REVERTS_END; i++) {
		put_web(&f.s, 2, "{'kt-replicas': '2'}", 0);
		assert_int_equal(changed(&f, &err), 0);
		expect_web(&f.s, "0 2");
		assert_int_equal(f.x.job.reverts.n, i);
	}
	put_web(&f.s, 2, "{'kt-replicas': '2'}", 0);
	assert_int_equal(changed(&f, &err), -ECANCELED);
	assert_non_null(strstr(err.msg, "was put back 3 times"));
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_record_until_ready),
		cmocka_unit_test(leaves_what_is_its_owners),
		cmocka_unit_test(stays_down),
		cmocka_unit_test(knows_who_recovers),
		cmocka_unit_test(three_reverts_by_one_end_it),
		cmocka_unit_test(one_revert_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

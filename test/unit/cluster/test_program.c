/* SPDX-License-Identifier: Apache-2.0 */
/* The ConfigMap with the shadow's program, against a fake API server; and which
 * image a Pod without one of ours has. */
#include "json.h"
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cluster/base_image.h"
#include "cluster/objects.h"
#include "cluster/program.h"
#include "cluster/sweep.h"
#include "kube/rest.h"
#include "wire/inflate.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#define MAPS "/api/v1/namespaces/n/configmaps"
#define PODS "/api/v1/namespaces/n/pods"

static const struct program program = {
	.name = "shadow",
	.arch = "amd64",
	.start = (const uint8_t *)"loader",
	.nstart = 6,
	.packed = (const uint8_t *)"packed",
	.npacked = 6,
};

static char *path_of(const struct program *p)
{
	char name[PROGRAM_NAME_SIZE];

	program_name(p, name);
	return xasprintf(MAPS "/%s", name);
}

static void named_by_what_is_in_it(void **state)
{
	struct program other = program;
	char a[PROGRAM_NAME_SIZE], b[PROGRAM_NAME_SIZE];

	(void)state;
	program_name(&program, a);
	/* sha256("loaderpacked") */
	assert_string_equal(a, "ktctl-shadow-" KT_VERSION "-amd64-27de284e");
	other.packed = (const uint8_t *)"Packed";
	program_name(&other, b);
	assert_string_not_equal(a, b);
	other = program;
	other.arch = "arm64";
	program_name(&other, b);
	assert_string_not_equal(a, b);
	other.name = "gate";
	program_name(&other, a);
	assert_string_equal(a, "ktctl-gate-" KT_VERSION "-arm64-27de284e");
}

/* What the build has packed, for each architecture that it was asked for */
static void brought_along(void **state)
{
	static const char *const archs[] = { "amd64", "arm64" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		const struct program *p = program_for(archs[i]);
		const struct program *gate = program_gate_for(archs[i]);
		static const uint8_t elf[] = { 0x7f, 'E', 'L', 'F' };
		/* e_machine: 62 is x86-64, 183 AArch64 */
		const uint8_t machine[] = { 62, 183 };

		if (!p)
			continue;
		assert_string_equal(p->arch, archs[i]);
		assert_in_range(p->nstart, 1000, 50000);
		assert_memory_equal(p->start, elf, sizeof(elf));
		assert_int_equal(p->start[18], machine[i]);
		assert_true(gzip_size(p->packed, p->npacked) > 500000);
		assert_true(p->nstart + p->npacked < 1000000);
		assert_non_null(gate);
		assert_string_equal(gate->arch, archs[i]);
		assert_ptr_equal(gate->start, p->start);
		assert_true(gzip_size(gate->packed, gate->npacked) > 500000);
		assert_true(gate->nstart + gate->npacked < 1000000);
		assert_string_equal(gate->name, "gate");
	}
#ifndef KT_SANITIZED
	assert_non_null(program_for(objects_arch()));
#endif
	assert_null(program_for("s390x"));
	assert_null(program_for(""));
	assert_null(program_gate_for("s390x"));
}

static int ensured(const struct store *s, const struct pod_options *o,
		   struct kt_error *err)
{
	const struct program_place at = { .kube = s->w.kube,
					  .ns = "n",
					  .options = o };

	return program_ensure(&at, &program, err);
}

/* How it was asked for since the last look: "meta", "all" */
static char asked[64];

static void (*store_says)(struct fake_conn *c, const char *request);

static void note_read(struct fake_conn *c, const char *request)
{
	bool meta = strstr(request, "as=PartialObjectMetadata");
	size_t n = strlen(asked);

	if (strncmp(request, "GET ", 4) == 0)
		snprintf(asked + n, sizeof(asked) - n, "%s ",
			 meta ? "meta" : "all");
	store_says(c, request);
}

static int ensured_at(const struct store *s, const struct home *home,
		      struct kt_error *err)
{
	const struct pod_options o = { 0 };
	const struct program_place at = {
		.kube = s->w.kube, .ns = "n", .options = &o, .home = home
	};

	*err = (struct kt_error){ 0 };
	asked[0] = '\0';
	return program_ensure(&at, &program, err);
}

static void forget(const char *kt)
{
	auto_free char *sub = xasprintf("%s/program", kt);
	auto_free char *all = xasprintf("%s/*", sub);
	glob_t g;

	assert_int_equal(glob(all, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		unlink(g.gl_pathv[i]);
	assert_int_equal(g.gl_pathc, 1); /* one for each name */
	globfree(&g);
	rmdir(sub);
	rmdir(kt);
}

/* Read once as a whole; any other, of the same name, is read again */
static void compared_once(void **state)
{
	char dir[] = "/tmp/ktctl-program-XXXXXX";
	auto_free char *path = path_of(&program);
	auto_free char *kt = NULL;
	struct kt_error err = { 0 };
	struct store s;
	struct home home;
	json_t *map;

	(void)state;
	assert_non_null(mkdtemp(dir));
	kt = xasprintf("%s/.kt", dir);
	home = (struct home){
		.user = dir, .dir = kt, .uid = geteuid(), .gid = getegid()
	};
	store_init(&s);
	store_says = s.w.fake.answer;
	s.w.fake.answer = note_read;
	assert_int_equal(ensured_at(&s, &home, &err), 0); /* made */
	assert_int_equal(ensured_at(&s, &home, &err), 0);
	assert_string_equal(asked, "all ");
	assert_int_equal(ensured_at(&s, &home, &err), 0);
	assert_string_equal(asked, "meta ");
	assert_int_equal(ensured_at(&s, NULL, &err), 0);
	assert_string_equal(asked, "all ");
	/* changed: a new version; made anew by somebody: a new uid */
	map = json_deep_copy(store_get(&s, path));
	json_object_set_new(json_object_get(map, "binaryData"), PROGRAM_START,
			    json_string("b3RoZXI="));
	store_put(&s, path, map);
	assert_int_equal(ensured_at(&s, &home, &err), -EPROTO);
	assert_string_equal(asked, "meta all ");
	assert_int_equal(ensured_at(&s, &home, &err), -EPROTO);
	/* removed: made again, and read again */
	json_object_del(s.objects, path);
	assert_int_equal(ensured_at(&s, &home, &err), 0);
	assert_int_equal(ensured_at(&s, &home, &err), 0);
	assert_string_equal(asked, "meta all ");
	assert_int_equal(ensured_at(&s, &home, &err), 0);
	assert_string_equal(asked, "meta ");
	store_fini(&s);
	forget(kt);
	rmdir(dir);
}

static void made_once(void **state)
{
	auto_free char *path = path_of(&program);
	struct pod_options o = { 0 };
	struct kt_error err = { 0 };
	struct store s;
	json_t *map;

	(void)state;
	store_init(&s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ensured(&s, &o, &err), 0);
	assert_int_equal(store_logged(&s, "POST"), 1);
	map = store_get(&s, path);
	assert_true(json_is_true(json_object_get(map, "immutable")));
	assert_string_equal(object_label(map, KT_LABEL_CONTROL), "kt");
	assert_string_equal(object_label(map, KT_LABEL_ROLE), KT_ROLE_PROGRAM);
	/* KT Connect's clean would take one with a heartbeat for its own */
	assert_null(object_annotation(map, KT_ANNOTATION_HEARTBEAT));
	assert_string_equal(json_str(map, "binaryData", PROGRAM_START, NULL),
			    "bG9hZGVy");
	assert_string_equal(json_str(map, "binaryData", PROGRAM_PACKED, NULL),
			    "cGFja2Vk");
	store_fini(&s);
}

/* Another user makes it between our look and our POST */
static bool rival(struct store *s, struct fake_conn *c, const char *method,
		  const char *path, const json_t *body)
{
	(void)c;
	(void)path;
	if (strcmp(method, "POST") == 0 && store_logged(s, "POST") == 1) {
		auto_free char *at = path_of(&program);

		store_put(s, at, json_deep_copy(body));
	}
	return false;
}

static void two_at_once(void **state)
{
	struct pod_options o = { 0 };
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	s.before = rival;
	assert_int_equal(ensured(&s, &o, &err), 0);
	assert_int_equal(store_logged(&s, "POST"), 1);
	store_fini(&s);
}

static void not_what_somebody_changed(void **state)
{
	static const char *const changes[] = {
		"{'binaryData': {'start': 'bG9hZGVX'}}",
		"{'binaryData': {'shadow.gz': 'cGFja2VX'}}",
		"{'binaryData': {'more': 'cGFja2Vk'}}",
		"{'data': {'more': 'x'}}",
		"{'immutable': false}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		auto_free char *path = path_of(&program);
		auto_json json_t *change = json_quoted(changes[i]);
		struct pod_options o = { 0 };
		struct kt_error err = { 0 };
		json_t *map = program_object(&program, &o);
		struct store s;

		json_object_update_recursive(map, change);
		store_init(&s);
		store_put(&s, path, map);
		assert_int_equal(ensured(&s, &o, &err), -EPROTO);
		assert_non_null(strstr(err.msg, "somebody has changed it"));
		assert_non_null(strstr(err.hint, "delete configmap"));
		assert_non_null(strstr(err.hint, "--image"));
		assert_int_equal(store_logged(&s, "POST"), 0);
		store_fini(&s);
	}
}

static bool refuse(struct store *s, struct fake_conn *c, const char *method,
		   const char *path, const json_t *body)
{
	auto_free char *text = xasprintf(
		"{\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\","
		"\"message\":\"configmaps is forbidden: User \\\"dev\\\" "
		"cannot "
		"%s resource \\\"configmaps\\\" in API group \\\"\\\" in the "
		"namespace \\\"n\\\"\"}",
		s->user ? "create" : "get");

	(void)path;
	(void)body;
	if (s->user && strcmp(method, "POST") != 0)
		return false;
	fake_reply(c, 403, "Content-Type: application/json\r\n", text);
	return true;
}

static void without_the_right(void **state)
{
	struct pod_options o = { 0 };
	struct store s;

	(void)state;
	for (int create = 0; create < 2; create++) {
		struct kt_error err = { 0 };

		store_init(&s);
		s.before = refuse;
		s.user = create ? &s : NULL;
		assert_int_equal(ensured(&s, &o, &err), -EPERM);
		assert_int_equal(err.http_status, 403);
		assert_non_null(strstr(err.hint, "'configmaps'"));
		assert_non_null(strstr(err.hint, "--image"));
		store_fini(&s);
	}
}

/* --- the image ------------------------------------------------------------ */

#define POD(name, more, spec, image, state)                                    \
	"{'metadata': {'name': '" name "'" more "}, 'spec': {" spec            \
	"'containers': [{'name': 'c', 'image': '" image "', "                  \
	"'env': [{'name': 'A', 'value': 'secret'}]}]}, "                       \
	"'status': {'phase': 'Running', 'containerStatuses': ["                \
	"{'name': 'c', 'state': {'" state "': {}}}]}}"

static void picks(const char *pods, const char *want)
{
	auto_json json_t *list = json_quoted(pods);
	struct base_image b = { 0 };
	bool found = base_image_pick(&b, list, "amd64");

	assert_int_equal(found, want != NULL);
	if (want)
		assert_string_equal(b.image, want);
	base_image_fini(&b);
}

static void an_image_that_is_there(void **state)
{
	(void)state;
	picks("[" POD("a", "", "", "x:1", "running") "]", "x:1");
	picks("[]", NULL);
	picks("[" POD("a", "", "", "x:1", "waiting") "]", NULL);
	picks("[" POD("a", ", 'deletionTimestamp': 't'", "", "x:1",
		      "running") "]",
	      NULL);
	picks("[" POD("a", "", "'os': {'name': 'windows'}, ", "x:1",
		      "running") "," POD("b", "",
					 "'nodeSelector': {'kubernetes.io/os': "
					 "'windows'}, ",
					 "x:2",
					 "running") "," POD("c", "",
							    "'nodeSelector': {"
							    "'kubernetes.io/"
							    "arch': 'arm64'}, ",
							    "x:3",
							    "running") "]",
	      NULL);
	/* another's shadow is the last choice, not none */
	picks("[" POD("k", ", 'labels': {'control-by': 'kt'}", "", "kt:1",
		      "running") "," POD("a", "", "", "x:1", "running") "]",
	      "x:1");
	picks("[" POD("k", ", 'labels': {'control-by': 'kt'}", "", "kt:1",
		      "running") "]",
	      "kt:1");
}

static void the_workloads_own_first(void **state)
{
	auto_json json_t *selector = json_quoted("{'app': 'web'}");
	struct kt_error err = { 0 };
	struct base_image b = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	store_put(&s, PODS "/a",
		  json_quoted(POD("a", ", 'labels': {'app': 'other'}", "",
				  "x:1", "running")));
	store_put(&s, PODS "/web",
		  json_quoted(POD("web", ", 'labels': {'app': 'web'}",
				  "'imagePullSecrets': [{'name': 'sec'}], ",
				  "x:2", "running")));
	assert_int_equal(
		base_image_find(s.w.kube, "n", selector, "amd64", &b, &err), 0);
	assert_string_equal(b.image, "x:2");
	assert_string_equal(
		json_str(json_array_get(b.secrets, 0), "name", NULL), "sec");
	store_fini(&s);

	store_init(&s);
	assert_int_equal(
		base_image_find(s.w.kube, "n", selector, "amd64", &b, &err),
		-ENOENT);
	assert_non_null(strstr(err.hint, "--baseImage"));
	assert_non_null(strstr(err.hint, "--image"));
	store_fini(&s);
	base_image_fini(&b);
}

/* --- the end of it -------------------------------------------------------- */

#define MAP(name, made)                                                        \
	"{'metadata': {'namespace': 'n', 'name': '" name                       \
	"', 'creationTimestamp': '" made                                       \
	"', 'labels': {'kt-role': 'shadow-program'}}}"
#define LONG_AGO "2020-01-01T00:00:00Z"
#define FAR_OFF "2099-01-01T00:00:00Z"

static bool all_settled(struct store *s)
{
	for (int i = 0; i < 20; i++)
		if (loop_sleep(s->w.loop, 20 * NS_MS) < 0)
			return false;
	return true;
}

static void swept_when_unused(void **state)
{
	struct sweep_programs *sweep;
	struct store s;

	(void)state;
	store_init(&s);
	store_put(&s, MAPS "/old", json_quoted(MAP("old", LONG_AGO)));
	store_put(&s, MAPS "/used", json_quoted(MAP("used", LONG_AGO)));
	store_put(&s, MAPS "/new", json_quoted(MAP("new", FAR_OFF)));
	store_put(&s, MAPS "/theirs",
		  json_quoted("{'metadata': {'namespace': 'n', 'name': "
			      "'theirs', 'creationTimestamp': '" LONG_AGO
			      "'}}"));
	store_put(
		&s, PODS "/p",
		json_quoted("{'metadata': {'name': 'p', 'labels': {'kt-role': "
			    "'shadow-mesh'}}, 'spec': {'volumes': [{'name': "
			    "'v', 'configMap': {'name': 'used'}}]}}"));
	sweep = sweep_programs_start(s.w.kube, "n");
	assert_true(all_settled(&s));
	sweep_programs_stop(sweep);
	assert_null(store_get(&s, MAPS "/old"));
	assert_non_null(store_get(&s, MAPS "/used"));
	assert_non_null(store_get(&s, MAPS "/new"));
	assert_non_null(store_get(&s, MAPS "/theirs"));
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_by_what_is_in_it),
		cmocka_unit_test(brought_along),
		cmocka_unit_test(made_once),
		cmocka_unit_test(compared_once),
		cmocka_unit_test(two_at_once),
		cmocka_unit_test(not_what_somebody_changed),
		cmocka_unit_test(without_the_right),
		cmocka_unit_test(an_image_that_is_there),
		cmocka_unit_test(the_workloads_own_first),
		cmocka_unit_test(swept_when_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

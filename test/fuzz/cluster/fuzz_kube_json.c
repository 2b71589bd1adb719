/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server says: lines of a watch, cut anywhere (the first byte
 * tells how), each judged as a Pod, as a Status and as what it may be.
 */
#include "base/mem.h"
#include "cluster/cidr.h"
#include "cluster/podstate.h"
#include "cluster/podwait.h"
#include "kube/authz.h"
#include "kube/jsonlines.h"
#include "kube/rest.h"
#include "kube/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool judge(void *user, json_t *v)
{
	json_t *obj = json_object_get(v, "object");
	struct kt_error err = { 0 };
	struct prefixset set = { 0 };
	struct pod_report r;

	(void)user;
	obj = obj ? obj : v;
	pod_report_make(&r, obj);
	status_fail(&err, 403, "GET /", obj, "text");
	free(authz_role_for(&err));
	free(pod_selector(obj));
	cidr_parse_valid_range(err.msg, &set);
	prefixset_fini(&set);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonlines j;
	size_t step;

	if (!size)
		return 0;
	step = data[0] + 1U;
	jsonlines_init(&j);
	for (size_t at = 1; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (jsonlines_feed(&j, (const char *)data + at, n, judge,
				   NULL) < 0)
			break;
	}
	jsonlines_fini(&j);
	return 0;
}

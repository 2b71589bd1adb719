/* SPDX-License-Identifier: Apache-2.0 */
/* Two files, cut at the first NUL byte, merged. */
#include "kube/kubeconfig_merge.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t first = nul ? (size_t)(nul - data) : size;
	struct kube_merged m;
	struct kt_error err;

	kube_merged_init(&m);
	if (kube_merged_add(&m, "/a/one", (const char *)data, first, &err) ==
		    0 &&
	    nul &&
	    kube_merged_add(&m, "/b/two", (const char *)nul + 1,
			    size - first - 1, &err) < 0)
		err.code = 0;
	kube_merged_fini(&m);
	return 0;
}

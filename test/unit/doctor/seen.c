/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every test here is linked with --wrap=findings_fini: what was found is
 * written down, a line of JSON each, where lines.py looks at it.
 */
#include "doctor/finding.h"

#include <stdio.h>
#include <stdlib.h>

void __real_findings_fini(struct findings *f);
void __wrap_findings_fini(struct findings *f);

void __wrap_findings_fini(struct findings *f)
{
	const char *path = getenv("DOCTOR_SEEN");
	FILE *out = path ? fopen(path, "a") : NULL;
	const json_t *one;
	size_t i;

	if (out) {
		json_array_foreach (f->list, i, one) {
			json_dumpf(one, out, JSON_COMPACT);
			fputc('\n', out);
		}
		fclose(out);
	}
	__real_findings_fini(f);
}

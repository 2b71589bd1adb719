/* SPDX-License-Identifier: Apache-2.0 */
/* What a person types: --expose, --versionMark, a target. What is taken keeps
 * the promises of its header. */
#include "base/mem.h"
#include "cli/expose.h"
#include "cli/mark.h"
#include "cli/subject.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 63 || name[n - 1] == '-')
		abort();
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)name[i]) &&
		    !isdigit((unsigned char)name[i]) && name[i] != '-')
			abort();
}

static void one(const char *text)
{
	struct kt_error err = { 0 };
	char name[OBJECT_NAME_LEN];
	struct subject subject;
	struct expose expose;
	struct mark mark;

	if (expose_parse(&expose, text, &err) == 0) {
		for (size_t i = 0; i < expose.n; i++)
			if (!expose.v[i].local ||
			    !expose.v[i].number == !expose.v[i].name[0])
				abort();
		expose_fini(&expose);
	}
	if (subject_parse(&subject, text, &err) == 0 && !subject.name[0])
		abort();
	if (mark_parse(&mark, text, &err) == 0)
		check_name(mark_object_name(&mark, "web", name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);

	one(text);
	free(text);
	return 0;
}

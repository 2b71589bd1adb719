/* SPDX-License-Identifier: Apache-2.0 */
/* What comes through a control socket, either way. What is taken is whole. */
#include "base/mem.h"
#include "control/eventjson.h"
#include "control/message.h"
#include "control/place.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_name(const char *text)
{
	char command[PLACE_COMMAND_MAX], again[PLACE_NAME_MAX];
	pid_t pid;

	if (!place_parse(text, command, &pid))
		return;
	if (!command[0] || pid <= 0)
		abort();
	place_name(again, command, pid);
	if (!place_parse(again, command, &pid))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct kt_error err = { 0 };
	struct message_answer a;
	enum message_ask ask;
	int64_t since;

	if (message_read_request(&ask, &since, (const char *)data, size,
				 &err) == 0 &&
	    ask != MESSAGE_STATUS && ask != MESSAGE_LEAVE &&
	    (ask != MESSAGE_EVENTS || since < 0 || since > MESSAGE_SINCE_MAX))
		abort();
	if (message_read_answer(&a, (const char *)data, size, &err) == 0) {
		if ((a.kind == MESSAGE_SESSION) !=
		    (a.session && message_is_session(a.session)))
			abort();
		if ((a.kind == MESSAGE_EVENT) !=
		    (a.session && eventjson_is(a.session)))
			abort();
		if (a.status < 0 || a.status > 255)
			abort();
	}
	json_decref(a.session);
	fuzz_name(text);
	free(text);
	return 0;
}

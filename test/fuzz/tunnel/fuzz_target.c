/* SPDX-License-Identifier: Apache-2.0 */
/* What a request names, read by every reader of it. */
#include "tunnel/target.h"

#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_continue(const char *path)
{
	uint8_t id[TARGET_SESSION_LEN];
	char again[TARGET_PATH_MAX];
	uint32_t stream, same;

	if (target_continue_parse(path, id, &stream) < 0)
		return;
	target_continue_path(again, id, stream);
	if (target_continue_parse(again, id, &same) < 0 || same != stream)
		abort();
}

static void check_files(const char *path)
{
	char secret[TARGET_SECRET_MAX], again[TARGET_PATH_MAX];

	if (target_files_parse(path, secret) == 0 &&
	    (target_files_path(again, secret) < 0 || strcmp(again, path) != 0))
		abort();
}

/* What is taken is written the same */
static void check_name(const char *text)
{
	char host[TARGET_HOST_MAX], again[TARGET_PATH_MAX];
	struct ipport at;
	uint16_t port;

	if (target_udp_name_parse(text, host, &port) < 0)
		return;
	if (target_udp_parse(text, &at) == 0 ||
	    target_udp_name_path(again, host, port) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct ipaddr addr;
	struct ipport at;
	uint16_t port;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	(void)!target_udp_parse(text, &at);
	(void)!target_echo_parse(text, &addr);
	(void)!target_inbound_authority_parse(text, &port);
	(void)!target_inbound_udp_parse(text, &port);
	(void)!target_forwarded_parse(text, &at);
	check_continue(text);
	check_files(text);
	check_name(text);
	free(text);
	return 0;
}

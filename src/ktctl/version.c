/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl version: this program's version, and what a bug report wants besides */
#include "cli/app.h"
#include "cli/options.h"

#include "base/mem.h"
#include "base/print.h"
#include "kube/rest.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <string.h>
#include <yaml.h>
#include <zlib.h>

#if defined(__x86_64__)
#define VERSION_ARCH "amd64"
#elif defined(__aarch64__)
#define VERSION_ARCH "arm64"
#else
#define VERSION_ARCH "other"
#endif

/* Those that are loaded, which may be newer than those it was compiled with */
static json_t *version_libraries(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "libcurl",
			 curl_version_info(CURLVERSION_NOW)->version, "openssl",
			 OpenSSL_version(OPENSSL_VERSION_STRING), "nghttp2",
			 nghttp2_version(0)->version_str, "jansson",
			 jansson_version_str(), "yaml",
			 yaml_get_version_string(), "zlib", zlibVersion());
}

static json_t *version_client(void)
{
	return json_pack("{s:s,s:s,s:s,s:o}", "version", KT_VERSION, "platform",
			 "linux/" VERSION_ARCH, "linked",
#ifdef KT_STATIC
			 "statically",
#else
			 "dynamically",
#endif
			 "libraries", version_libraries());
}

static void version_print(const json_t *client)
{
	const json_t *list = json_object_get(client, "libraries");
	auto_free char *text = xstrdup("");
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)list, name, v) {
		char *more = xasprintf("%s%s%s %s", text, *text ? ", " : "",
				       name, json_string_value(v));

		free(text);
		text = more;
	}
	print_line(stdout, "ktctl version %s", KT_VERSION);
	print_line(stdout, "platform: %s",
		   json_string_value(json_object_get(client, "platform")));
	print_line(stdout, "linked %s: %s",
		   json_string_value(json_object_get(client, "linked")), text);
}

int command_version(struct app *app, const struct options *o)
{
	auto_json json_t *all = json_pack("{s:o}", "client", version_client());
	auto_free char *text = NULL;

	(void)app;
	if (o->version.output == OUTPUT_TEXT) {
		version_print(json_object_get(all, "client"));
		return EXIT_OK;
	}
	text = json_dumps(all, JSON_INDENT(2));
	print_text(stdout, text, strlen(text));
	return EXIT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl version: this program's version and those of the shadows that run, and
 * what a bug report wants besides */
#include "cli/app.h"
#include "cli/options.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "ktctl/version_shadow.h"
#include "kube/rest.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
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
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "libcurl",
			 curl_version_info(CURLVERSION_NOW)->version, "openssl",
			 OpenSSL_version(OPENSSL_VERSION_STRING), "nghttp2",
			 nghttp2_version(0)->version_str, "jansson",
			 jansson_version_str(), "yaml",
			 yaml_get_version_string(), "zlib", zlibVersion(),
			 "libmicrohttpd", MHD_get_version());
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

static void version_print_shadows(const json_t *shadows)
{
	const json_t *s;
	size_t i;

	json_array_foreach (shadows, i, s) {
		const char *pod = json_str(s, "pod", NULL);
		const char *version = json_str(s, "version", NULL);

		if (version)
			print_line(stdout, "shadow version %s, Pod %s", version,
				   pod);
		else
			log_warn("Pod %s: %s", pod, json_str(s, "error", NULL));
	}
}

/* The client's is what was asked for first: it is told with status 0, whatever
 * the cluster says. A machine without a kubeconfig has none to ask. */
static json_t *version_ask_cluster(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	json_t *shadows = NULL;
	int rc = version_shadows(app, o, &shadows, &err);

	if (rc == -ENOENT && !o->global.kubeconfig && !o->global.context)
		log_debug("%s", err.msg);
	else if (rc < 0)
		log_warn("the cluster's shadows were not asked: %s", err.msg);
	return shadows;
}

int command_version(struct app *app, const struct options *o)
{
	auto_json json_t *client = version_client();
	auto_json json_t *shadows = NULL;
	auto_json json_t *all = NULL;
	auto_free char *text = NULL;

	if (o->version.output == OUTPUT_TEXT) {
		version_print(client);
		fflush(stdout); /* the cluster may take its time */
	}
	if (!o->version.client)
		shadows = version_ask_cluster(app, o);
	if (o->version.output == OUTPUT_TEXT) {
		version_print_shadows(shadows);
		return EXIT_OK;
	}
	all = json_pack("{s:O,s:O*}", "client", client, "shadows", shadows);
	text = json_dumps(all, JSON_INDENT(2));
	print_text(stdout, text, strlen(text));
	return EXIT_OK;
}

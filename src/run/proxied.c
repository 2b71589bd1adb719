/* SPDX-License-Identifier: Apache-2.0 */
#include "run/proxied.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/progress.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define PROXIED_NONE "localhost,127.0.0.1,::1"

int proxied_check(struct app *app, const struct options *o,
		  const struct kt_error *why, struct kt_error *err)
{
	if (o->run.no_outside)
		return kt_fail(err, EOPNOTSUPP,
			       "--noOutside needs namespaces or --capture "
			       "seccomp: nothing keeps a program to a proxy");
	progress_note(app->progress,
		      "%s%sthe program is told of a proxy: ALL_PROXY, "
		      "HTTP_PROXY, HTTPS_PROXY (--capture socks)",
		      why->msg, why->code ? "; " : "");
	return 0;
}

/* Some programs know the one spelling, some the other */
static void proxied_add(struct strv *out, const char *name, const char *value)
{
	char *low = xasprintf("%s=%s", name, value);

	strv_take(out, xstrdup(low));
	for (char *p = low; *p != '='; p++)
		*p = (char)tolower((unsigned char)*p);
	strv_take(out, low);
}

void proxied_vars(struct strv *out, const struct ipport *at)
{
	/* which one wins differs; curl and Python have it so */
	const char *low = getenv("no_proxy"), *up = getenv("NO_PROXY");
	const char *own = low && *low ? low : up;
	char text[IPPORT_STRLEN];
	auto_free char *socks = xasprintf("socks5h://%s", ipport_str(at, text));
	auto_free char *http = xasprintf("http://%s", ipport_str(at, text));
	auto_free char *none = own && *own ? xasprintf(PROXIED_NONE ",%s", own)
					   : xstrdup(PROXIED_NONE);

	proxied_add(out, "ALL_PROXY", socks);
	proxied_add(out, "HTTP_PROXY", http);
	proxied_add(out, "HTTPS_PROXY", http);
	proxied_add(out, "NO_PROXY", none);
}

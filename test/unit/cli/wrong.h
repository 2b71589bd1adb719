/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_WRONG_H
#define KT_UNIT_WRONG_H

#include "cli/command.h"

#include <stddef.h>

/* What no flag of a type takes: empty where it must say something, of another
 * type, out of range, unknown, twice. A new type gets a row here. */
static const char *const wrong_of_type[VALUE_NTYPES_][24] = {
	[VALUE_BOOL] = { "", "maybe", "2", "truefalse" },
	[VALUE_INT] = { "", "x", "1.5", "0x10", "1 2", "--1",
			"99999999999999999999", "-99999999999999999999" },
	[VALUE_FAMILY] = { "", "5", "46", "four", "-4" },
	[VALUE_PORT] = { "", "0", "65536", "-1", "http", "1.5",
			 "99999999999999999999" },
	[VALUE_CHOICE] = { "", "nonsense", "Auto", "auto " },
	[VALUE_DOMAIN] = { "a..b", "a/b", "a b", "." },
	[VALUE_DOMAINS] = { "a..b", "a,b/c" },
	[VALUE_IMAGE] = { " ", "a b", "a//b", "/a", "a:", "a:b@", "a\"b",
			  "http://a/b", "[::1/a", "[x]/a" },
	[VALUE_IMAGE_OF] = { " ", "a b", "a=", "=a", "a=b=c", "A=b", "a/b=c",
			     "a=/b", "-a=b", "a=http://b" },
	[VALUE_MARK] = { " ", " a", "a ", "k: v", "k:v " },
	[VALUE_MATCH] = { " ", "all", "nonsense", "nonsense:x", "header:x",
			  "header:=x", "path:", "path:/a nonsense", "%zz" },
	[VALUE_LABELS] = { "a", "=b", "a=1,b", "a b=c", "a=b c", "-a=b", "a=-b",
			   "A/b=c", "a/=c", "a/b/c=d", "a=b/c", "a..b/c=d" },
	[VALUE_PAIRS] = { "a", "=b", "a=1,b", "a b=c", "-a=b", "A/b=c",
			  "a/=c" },
	[VALUE_SETTINGS] = { "a", "=b", "1a=b", "a b=c", "a,b=c", "a/b=c" },
	[VALUE_ADDRESS] = { "x", "1.2.3", "1.2.3.4/8", "1.2.3.256", "::g" },
	[VALUE_PREFIXES] = { "x", "10.0.0.0/33", "::/129", "10.0.0.0/x",
			     "10.0.0.0/8,x" },
	[VALUE_QUOTA] = { "1x", "c", "0c", "-1c", "1.2.3c", "1c,2c,x" },
	[VALUE_DNS_MODE] = { "", "localdns", "podDNS:x", "localDNS:nonsense",
			     "hosts:A_b", "hosts:a,-b", "hosts:a/b" },
	[VALUE_EXPOSE] = { "x", "0", "65536", "-1", "80,80", "80,81:80",
			   "1:2:3", "80/sctp", ":80", "80:" },
	[VALUE_USER] = { "", "0", "-1", "2147483648", "root", "None", "1.5" },
	[VALUE_FAULTS] = { "", " ", "db", "db:0 refuse", "db:65536 refuse",
			   "10.0.0.0/33 refuse", "db percent=10",
			   "db refuse percent=0", "db refuse percent=101",
			   "db latency=11m", "db rate=0", "db rate=11g",
			   "db refuse refuse", "db latencie=1s", "Nones", ";",
			   "db refuse; web", "db refuse; db  refuse" },
	[VALUE_DURATION] = { "", "x", "s", "-1", "1.5s", "1w", "60 s",
			     "99999999h", "9223372036854775807",
			     "99999999999999999999999999" },
	[VALUE_ENV_FROM] = { "a", "configmap", "configmap/", "pod/a",
			     "secret/A", "secret/a..b", "secret/a/b",
			     "configmap/a,b" },
	[VALUE_HOOK] = { " ", "/", "a//b", "'a", "a \"b", "a b\\", "-c x",
			 "sh; ls", "http://a/b c" },
	[VALUE_HEADER] = { " ",
			   "x y",
			   "x:y",
			   "1x",
			   "-x",
			   "x.y",
			   "Host",
			   "content-length",
			   "Transfer-Encoding",
			   "cookie",
			   "authorization",
			   "baggage",
			   "traceparent",
			   "version",
			   "X-Virtual-Env",
			   "x-forwarded-for",
			   "kt-env",
			   "proxy-authorization",
			   "grpc-timeout",
			   ":path",
			   "x\x7fy",
			   "x\ty" },
	[VALUE_VARIABLES] = { "a b", "A=b", "A/B", "A,B$" },
	[VALUE_GATEWAY] = { " ", "a b", "/a", "a/", "a/b/c", "A", "-a", "a/B",
			    "a.b/c", "a..b" },
	[VALUE_EXPECT] = { " ", ";", "nonsense", "servise=web", "status~5*",
			   "service>=web", "service=web;", "count=x",
			   "answered=me", "service=\"web" },
};

/* Free text: all but a control character is right, as it is a name of something
 * that is there or not. Whoever adds a flag of this kind says so here; else
 * give it a type of its own. */
static const struct {
	const char *flag, *why;
} wrong_free_text[] = {
	{ "kubeconfig", "a path" },
	{ "context", "a name in a file of the user's" },
	{ "shadow", "cli/resolve.c looks at it" },
	{ "applied", "written by 'ktctl apply' itself" },
	{ "file", "a path" },
	{ "envFile", "a path" },
	{ "mode", "of doctor: cli/resolve.c looks at it" },
	{ "route", "of doctor: cli/resolve.c looks at it" },
};

static inline bool wrong_is_free_text(const struct option *opt)
{
	for (size_t i = 0;
	     i < sizeof(wrong_free_text) / sizeof(wrong_free_text[0]); i++)
		if (strcmp(wrong_free_text[i].flag, opt->name) == 0)
			return opt->type == VALUE_STRING;
	return false;
}

#endif

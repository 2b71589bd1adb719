/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/spec.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/dns_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DIGITS "0123456789"

/* --- ports ---------------------------------------------------------------- */

static bool spec_is_port(const char *word)
{
	struct ipaddr a;

	return (isdigit((unsigned char)*word) || *word == ':') &&
	       !strchr(word, '.') && ipaddr_parse(&a, word) < 0;
}

static int spec_remote(struct forward_port *p, const char *remote,
		       struct kt_error *err)
{
	p->has_remote = true;
	if (str_to_port(remote, &p->number) == 0)
		return 0;
	if (strspn(remote, DIGITS) == strlen(remote) ||
	    !expose_is_port_name(remote))
		return kt_fail(err, EINVAL,
			       "'%s': '%s' is neither a port from 1 to 65535 "
			       "nor the name of one",
			       p->text, remote);
	snprintf(p->name, sizeof(p->name), "%s", remote);
	return 0;
}

static int spec_port(struct forward_port *p, const char *word,
		     struct kt_error *err)
{
	auto_free char *copy = xstrdup(word);
	char *remote;

	*p = (struct forward_port){ .text = word };
	if (!expose_cut_proto(copy, &p->proto))
		return kt_fail(err, EINVAL,
			       "'%s': behind '/' is neither tcp nor udp", word);
	remote = strchr(copy, ':');
	if (remote)
		*remote++ = '\0';
	if (!(remote && !*copy) && strcmp(copy, "0") != 0 &&
	    str_to_port(copy, &p->local) < 0)
		return kt_fail(err, EINVAL,
			       "'%s' is not of the form LOCAL, LOCAL:REMOTE or "
			       ":REMOTE, local ports from 0 to 65535",
			       word);
	return remote ? spec_remote(p, remote, err) : 0;
}

/* --- targets -------------------------------------------------------------- */

/* "NAME.NAMESPACE", "NAME.NAMESPACE.svc", "NAME.NAMESPACE.svc.DOMAIN" */
static bool spec_may_be_service(struct subject *s, const char *word)
{
	const char *dot = strchr(word, '.');
	const char *more = dot ? strchr(dot + 1, '.') : NULL;
	struct kt_error why = { 0 };

	if (more && strcmp(more, ".svc") != 0 && !str_starts(more, ".svc."))
		return false;
	return subject_parse(s, word, &why) == 0;
}

/* People type what other programs want */
static int spec_no_target(const char *word, struct kt_error *err)
{
	const char *scheme = strstr(word, "://");
	const char *colon = strrchr(word, ':');

	if (scheme)
		kt_hint(err, "a target is the name alone, without %.*s://",
			(int)(scheme - word), word);
	else if (colon && colon > word)
		kt_hint(err, "the port is a word of its own: %.*s %s",
			(int)(colon - word), word, colon + 1);
	else
		kt_hint(err, "a target is NAME, NAME.NAMESPACE, svc/NAME, "
			     "deployment/NAME, statefulset/NAME, pod/NAME, an "
			     "address, or a name with a dot in it");
	return kt_fail(err, EINVAL, "'%s' is no target", word);
}

static int spec_target(struct forward_target *t, const char *word,
		       struct kt_error *err)
{
	bool subject;

	*t = (struct forward_target){ .text = word };
	if (ipaddr_parse(&t->addr, word) == 0) {
		t->kind = FORWARD_ADDRESS;
		return 0;
	}
	if (strstr(word, "://"))
		return spec_no_target(word, err);
	if (strchr(word, '/')) {
		t->kind = FORWARD_OBJECT;
		return subject_parse(&t->subject, word, err);
	}
	subject = spec_may_be_service(&t->subject, word);
	if (subject && !t->subject.ns[0]) {
		t->kind = FORWARD_OBJECT;
		return 0;
	}
	if (!strchr(word, '.') || !dns_name_is_host(word))
		return spec_no_target(word, err);
	t->kind = subject ? FORWARD_MAYBE : FORWARD_HOST;
	snprintf(t->host, sizeof(t->host), "%s", word);
	return 0;
}

/* --- all words ------------------------------------------------------------ */

static bool spec_same_local(const struct forward_port *a,
			    const struct forward_port *b)
{
	return a->local && a->local == b->local &&
	       (a->proto == EXPOSE_UDP) == (b->proto == EXPOSE_UDP);
}

/* Twice the same local port; a port without /udp may turn out to be UDP, which
 * the bind will tell */
static int spec_check_twice(const struct forward_spec *s,
			    const struct forward_port *p, struct kt_error *err)
{
	size_t total = 0;

	for (size_t i = 0; i < s->n; i++) {
		total += s->v[i].nport;
		for (size_t k = 0; k < s->v[i].nport; k++)
			if (spec_same_local(&s->v[i].port[k], p))
				return kt_fail(err, EINVAL,
					       "'%s' and '%s' are the same "
					       "port of this machine",
					       s->v[i].port[k].text, p->text);
	}
	if (total >= FORWARD_PORTS_MAX)
		return kt_fail(err, E2BIG, "more than %d ports",
			       FORWARD_PORTS_MAX);
	return 0;
}

static int spec_add_port(struct forward_spec *s, const char *word,
			 struct kt_error *err)
{
	struct forward_target *t = s->n ? &s->v[s->n - 1] : NULL;
	struct forward_port p;
	int rc;

	if (!t) {
		kt_hint(err, "for instance: ktctl forward web %s", word);
		return kt_fail(err, EINVAL,
			       "'%s': a target comes before its "
			       "ports",
			       word);
	}
	rc = spec_port(&p, word, err);
	if (rc == 0)
		rc = spec_check_twice(s, &p, err);
	if (rc < 0)
		return rc;
	t->port = xrealloc(t->port, (t->nport + 1) * sizeof(p));
	t->port[t->nport++] = p;
	return 0;
}

static int spec_add_target(struct forward_spec *s, const char *word,
			   struct kt_error *err)
{
	if (s->n == FORWARD_TARGETS_MAX)
		return kt_fail(err, E2BIG, "more than %d targets",
			       FORWARD_TARGETS_MAX);
	s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
	return spec_target(&s->v[s->n++], word, err);
}

int forward_spec_parse(struct forward_spec *s, char *const *words, size_t n,
		       struct kt_error *err)
{
	int rc = 0;

	*s = (struct forward_spec){ 0 };
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = spec_is_port(words[i]) ? spec_add_port(s, words[i], err)
					    : spec_add_target(s, words[i], err);
	if (rc == 0 && !s->n)
		rc = kt_fail(err, EINVAL, "no target is named");
	if (rc < 0)
		forward_spec_fini(s);
	return rc < 0 ? -EINVAL : 0;
}

void forward_spec_fini(struct forward_spec *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].port);
	free(s->v);
	*s = (struct forward_spec){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The words of forward, separated by NUL: what is taken can be said again, and
 * means the same; and any Service's or Pod's ports can be asked for. */
#include "base/mem.h"
#include "forward/choose.h"
#include "forward/spec.h"

#include <jansson.h>
#include <string.h>

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char service_text[] =
	"{\"spec\": {\"ports\": [{\"name\": \"http\", \"port\": 80, "
	"\"targetPort\": \"web\"}, {\"name\": \"dns\", \"port\": 53, "
	"\"protocol\": \"UDP\"}]}}";
static const char pod_text[] =
	"{\"containers\": [{\"ports\": [{\"name\": \"http\", "
	"\"containerPort\": 8080}]}]}";

static void check_port(const struct forward_port *p)
{
	struct forward_spec again;
	struct kt_error err = { 0 };
	char word[128], target[] = "web";
	char *words[] = { target, word };

	if (p->has_remote && !p->number == !p->name[0])
		abort();
	snprintf(word, sizeof(word), "%u%s%s", p->local,
		 p->has_remote ? ":" : "", p->name);
	if (p->number)
		snprintf(word + strlen(word), 8, "%u", p->number);
	if (p->proto)
		strncat(word, p->proto == EXPOSE_UDP ? "/udp" : "/tcp", 5);
	if (forward_spec_parse(&again, words, 2, &err) < 0 ||
	    again.v[0].nport != 1 || again.v[0].port[0].local != p->local ||
	    again.v[0].port[0].number != p->number ||
	    again.v[0].port[0].proto != p->proto ||
	    strcmp(again.v[0].port[0].name, p->name) != 0)
		abort();
	forward_spec_fini(&again);
}

/* Whatever is chosen is a port of the target */
static void check_choice(const struct forward_port *p,
			 const struct service_ports *ports, const json_t *pod)
{
	struct kt_error err = { 0 };
	struct forward_choice c;

	if (choose_of_service(&c, ports, p, "t", &err) == 0 &&
	    !choose_service_port(ports, &c))
		abort();
	if (choose_of_pod(&c, pod, p, "t", &err) == 0 && !c.number &&
	    !choose_pod_port(pod, c.name, c.udp))
		abort();
	if (choose_of_host(&c, p, "t", &err) == 0 && !c.number)
		abort();
}

static void check(const struct forward_spec *s)
{
	json_t *service = json_loads(service_text, 0, NULL);
	json_t *pod = json_loads(pod_text, 0, NULL);
	struct service_ports ports;
	struct kt_error err = { 0 };

	if (!pod || service_ports_make(&ports, service, NULL, &err) < 0)
		abort();
	if (!s->n || s->n > FORWARD_TARGETS_MAX)
		abort();
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->v[i].nport; k++) {
			check_port(&s->v[i].port[k]);
			check_choice(&s->v[i].port[k], &ports, pod);
		}
	service_ports_fini(&ports);
	json_decref(service);
	json_decref(pod);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = xcalloc(size + 1, 1);
	char *words[MAX_WORDS];
	struct kt_error err = { 0 };
	struct forward_spec s;
	size_t n = 0;

	if (size)
		memcpy(copy, data, size);
	for (size_t at = 0; at < size && n < MAX_WORDS;
	     at += strlen(copy + at) + 1)
		words[n++] = copy + at;
	if (forward_spec_parse(&s, words, n, &err) == 0) {
		check(&s);
		forward_spec_fini(&s);
	} else if (!err.msg[0] || s.n) {
		abort();
	}
	free(copy);
	return 0;
}

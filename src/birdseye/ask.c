/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/ask.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "birdseye/rows.h"
#include "carrier/carriers.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "wire/clientline.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>

#define ASK_AT_ONCE 16
#define ASK_HEAD_MAX ((size_t)4096)
#define ASK_REQUEST                                                            \
	"GET " CLIENTLINE_PATH " HTTP/1.1\r\nHost: shadow\r\n"                 \
	"Connection: close\r\n\r\n"

struct ask_round {
	const struct ask_config *cfg;
	struct carriers carriers;
	json_t *answers;
	struct list questions; /* that are open */
	size_t open;
	bool refused; /* the Role does not let us: nobody is asked any more */
	bool moved;   /* one is over */
};

struct ask_question {
	struct list node;
	struct ask_round *asking;
	const json_t *pod;
	struct carrier *carrier;
	struct buf in;
	size_t sent;
	enum pf_form form;
	unsigned int tries;
};

/* --- the answer ----------------------------------------------------------- */

/* Words are any bytes, a document is UTF-8: what is not is shown as \xff, so
 * that each line leaves something, and nobody gets the next one's rules */
static json_t *ask_word(const char *text)
{
	json_t *word = json_string(text);
	size_t n = strlen(text), size = 4 * n + 1;
	auto_free char *clean = NULL;

	if (word)
		return word;
	clean = xmalloc(size);
	print_clean(clean, size, text, n);
	return json_string(clean);
}

static void ask_take_who(json_t *client, const struct clientline *l)
{
	json_object_set_new(client, "command", ask_word(l->command));
	json_object_set_new(client, "user", ask_word(l->word));
	json_object_set_new(client, "machine", ask_word(l->machine));
}

static void ask_take_line(json_t *answer, const struct clientline *l)
{
	json_t *clients = json_object_get(answer, "clients");
	json_t *last = json_array_get(clients, json_array_size(clients) - 1);
	char match[RULE_MATCH_MAX];

	if (l->kind == CLIENTLINE_SHADOW)
		json_object_set_new(answer, "version", ask_word(l->word));
	else if (l->kind == CLIENTLINE_CLIENT)
		json_array_append_new(
			clients, json_pack("{s:b,s:i,s:o,s:[]}", "inbound",
					   l->inbound, "away", (int)l->away,
					   "user", ask_word(l->word), "rules"));
	else if (l->kind == CLIENTLINE_RULE && last)
		json_array_append_new(
			json_object_get(last, "rules"),
			json_string(rule_match_print(&l->rule.match, match)));
	else if (l->kind == CLIENTLINE_WHO && last)
		ask_take_who(last, l);
}

static json_t *ask_read_lines(const char *text, size_t len)
{
	json_t *answer = json_pack("{s:[]}", "clients");
	auto_free char *copy = xstrndup(text, len);
	char *rest = copy, *line;
	struct clientline l;

	while ((line = strsep(&rest, "\n"))) {
		if (clientline_parse(&l, line, NULL) == 0) {
			ask_take_line(answer, &l);
			continue;
		}
		json_decref(answer);
		return NULL;
	}
	return answer;
}

/* Bytes of the body at *@at; -errno: it is no answer, or not all of it is here
 */
static ssize_t ask_body(const void *data, size_t len, size_t *at)
{
	struct http1_head *head = xcalloc(1, sizeof(*head));
	ssize_t n = http1_parse_response(head, data, len);
	uint64_t length = 0;
	int kind = n > 0 ? http1_response_body(head, false, &length) : 0;
	ssize_t rc = n;

	if (n > 0 && (head->status != 200 || kind != HTTP1_LENGTH ||
		      length > CLIENTLINE_TEXT_MAX))
		rc = -EBADMSG;
	else if (n > 0)
		rc = len - (size_t)n < length ? -EAGAIN : (ssize_t)length;
	*at = n > 0 ? (size_t)n : 0;
	free(head);
	return rc;
}

json_t *ask_answer(const void *data, size_t len)
{
	size_t at;
	ssize_t n = ask_body(data, len, &at);

	return n < 0 ? NULL
		     : ask_read_lines((const char *)data + at, (size_t)n);
}

/* --- one question --------------------------------------------------------- */

static void question_free(struct ask_question *q)
{
	carrier_close(q->carrier);
	buf_fini(&q->in);
	list_del(&q->node);
	q->asking->open--;
	q->asking->moved = true;
	loop_defer_free(kube_loop(q->asking->cfg->kube), q);
}

static void question_send(struct ask_question *q)
{
	static const char text[] = ASK_REQUEST;
	const struct iovec iov = { (void *)(uintptr_t)(text + q->sent),
				   strlen(text) - q->sent };
	ssize_t n = iov.iov_len ? carrier_send(q->carrier, &iov, 1) : 0;

	if (n > 0)
		q->sent += (size_t)n;
}

static void question_on_opened(void *user)
{
	question_send(user);
}

static void ask_worked(struct ask_round *a)
{
	if (a->carriers.at == 0)
		carriers_worked(&a->carriers);
}

static void question_end(struct ask_question *q)
{
	auto_free char *key = object_key(q->pod);
	json_t *answer = ask_answer(buf_data(&q->in), q->in.len);

	if (answer)
		json_object_set_new(q->asking->answers, key, answer);
	/* what did well in so short a time is no choice for a connection that
	 * shall last; but the best one that works may be remembered */
	if (answer && q->form == q->asking->carriers.order[0])
		ask_worked(q->asking);
	question_free(q);
}

static void question_on_data(void *user, const uint8_t *data, size_t len)
{
	struct ask_question *q = user;
	size_t at;

	if (buf_put(&q->in, data, len) < 0 ||
	    ask_body(buf_data(&q->in), q->in.len, &at) != -EAGAIN)
		question_end(q);
}

static void question_open(struct ask_question *q);

static void question_on_closed(void *user, const struct kt_error *why)
{
	struct ask_question *q = user;
	struct ask_round *a = q->asking;

	bool again = !q->in.len && ++q->tries < PF_NFORMS_ &&
		     (q->form != carriers_form(&a->carriers) ||
		      carriers_failed(&a->carriers, why));

	log_debug("ask %s: %s", object_name(q->pod), why->msg);
	a->refused |= carriers_refused(&a->carriers);
	if (again) {
		carrier_close(q->carrier);
		q->carrier = NULL;
		question_open(q);
		return;
	}
	question_end(q);
}

static void question_open(struct ask_question *q)
{
	static const struct carrier_handler handler = {
		.opened = question_on_opened,
		.data = question_on_data,
		.writable = question_on_opened,
		.closed = question_on_closed,
	};
	struct ask_round *a = q->asking;
	struct kt_error err = { 0 };

	q->sent = 0;
	q->form = carriers_form(&a->carriers);
	if (portforward_open(&q->carrier, q->form, a->cfg->kube,
			     json_str(q->pod, "metadata", "namespace", NULL),
			     object_name(q->pod), ask_port(q->pod), ASK_NS,
			     &handler, q, &err) == 0)
		return;
	log_debug("ask %s: %s", object_name(q->pod), err.msg);
	q->carrier = NULL;
	question_free(q);
}

static void ask_one(struct ask_round *a, const json_t *pod)
{
	struct ask_question *q = xcalloc(1, sizeof(*q));

	q->asking = a;
	q->pod = pod;
	buf_init(&q->in, CLIENTLINE_TEXT_MAX + ASK_HEAD_MAX);
	list_add_tail(&a->questions, &q->node);
	a->open++;
	question_open(q);
}

/* --- all of them ---------------------------------------------------------- */

static uint16_t ask_health_port(const json_t *pod)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c) {
		json_int_t port = json_integer_value(
			json_at(c, "readinessProbe", "httpGet", "port", NULL));

		if (str_eq(json_str(c, "name", NULL), KT_CONTAINER))
			return port > 0 && port < 65536 ? (uint16_t)port : 0;
	}
	return 0;
}

uint16_t ask_port(const json_t *pod)
{
	return object_is_of_ktctl(pod) &&
			       str_eq(json_str(pod, "status", "phase", NULL),
				      "Running")
		       ? ask_health_port(pod)
		       : 0;
}

/* Until fewer than @most are open, or the time is over */
static bool ask_wait(struct ask_round *a, size_t most, int64_t end)
{
	struct loop *loop = kube_loop(a->cfg->kube);

	while (a->open > most) {
		a->moved = false;
		if (loop_run_until(loop, &a->moved,
				   MAX(end - clock_ns(), (int64_t)0)) < 0)
			return false;
	}
	return true;
}

json_t *ask_all(const struct ask_config *cfg, const json_t *pods)
{
	struct ask_round a = { .cfg = cfg, .answers = json_object() };
	int64_t now = clock_ns();
	int64_t end = MIN(MAX(cfg->until, now + ASK_LEAST_NS), now + ASK_NS);
	struct list *n, *tmp;
	const json_t *pod;
	size_t i;

	list_init(&a.questions);
	carriers_init(&a.carriers, cfg->home, kube_config_of(cfg->kube),
		      cfg->carrier);
	json_array_foreach (pods, i, pod) {
		if (!ask_port(pod))
			continue;
		if (a.refused || !ask_wait(&a, ASK_AT_ONCE - 1, end))
			break;
		ask_one(&a, pod);
	}
	ask_wait(&a, 0, end);
	list_for_each_safe (n, tmp, &a.questions) {
		question_free(container_of(n, struct ask_question, node));
	}
	carriers_fini(&a.carriers);
	if (cfg->refused)
		*cfg->refused = a.refused;
	return a.answers;
}

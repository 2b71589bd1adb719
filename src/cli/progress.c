/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"

#include <string.h>
#include <sys/ioctl.h>

#define FRAME_NS (100 * NS_MS)
#define TEXT_MAX 256
#define LINE_MAX_BYTES 1024

struct progress {
	struct loop *loop;
	FILE *out;
	bool terminal, colour, utf8;
	bool brief; /* see progress_brief() */

	int number, total;
	bool running;
	int64_t started;
	char text[TEXT_MAX];
	char detail[TEXT_MAX];

	bool drawn; /* the spinner's line is on the screen */
	unsigned int frame;
	struct timer timer;
};

/* --- what the terminal can do --------------------------------------------- */

static bool env_has(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

/* setlocale() is not called: it would change what toupper() does */
static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
	}
	return false;
}

static size_t columns(const struct progress *p)
{
	struct winsize ws = { 0 };

	if (ioctl(fileno(p->out), TIOCGWINSZ, &ws) < 0 || ws.ws_col < 10)
		return 80;
	return ws.ws_col;
}

/* --- lines ---------------------------------------------------------------- */

static KT_PRINTF(2, 0) void progress_set_text(char dst[TEXT_MAX],
					      const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES];

	vsnprintf(text, sizeof(text), fmt, ap);
	print_clean(dst, TEXT_MAX, text, strlen(text));
}

/* Cut @line to @width characters (a code point counts as one column) */
static void progress_cut(char *line, size_t width)
{
	size_t n = 0;

	for (char *c = line; *c; c++) {
		if (((unsigned char)*c & 0xc0) == 0x80)
			continue;
		if (n++ == width) {
			*c = '\0';
			return;
		}
	}
}

static void clear_spinner(void *user)
{
	struct progress *p = user;

	if (!p->drawn)
		return;
	p->drawn = false;
	fputs("\r\033[K", p->out);
	fflush(p->out);
}

static void put_counter(const struct progress *p, char *dst, size_t size)
{
	if (p->total)
		snprintf(dst, size, "[%d/%d] ", p->number, p->total);
	else
		dst[0] = '\0';
}

static double elapsed(const struct progress *p)
{
	return (double)(clock_ns() - p->started) / (double)NS_SEC;
}

static const char *spinner(const struct progress *p)
{
	static const char *const dots[] = { "⠋", "⠙", "⠹", "⠸", "⠼",
					    "⠴", "⠦", "⠧", "⠇", "⠏" };
	static const char *const plain[] = { "|", "/", "-", "\\" };

	return p->utf8 ? dots[p->frame % ARRAY_SIZE(dots)]
		       : plain[p->frame % ARRAY_SIZE(plain)];
}

static void draw(struct progress *p)
{
	char line[LINE_MAX_BYTES], counter[32];
	size_t width = columns(p);

	if (log_line_open()) /* a plugin asks something */
		return;
	put_counter(p, counter, sizeof(counter));
	snprintf(line, sizeof(line), "%s %s%s%s%s (%.0f s)", spinner(p),
		 counter, p->text, p->detail[0] ? ": " : "", p->detail,
		 elapsed(p));
	progress_cut(line, width - 1);
	fprintf(p->out, "\r%s\033[K", line);
	fflush(p->out);
	p->drawn = true;
}

static void progress_tick(struct timer *t)
{
	struct progress *p = container_of(t, struct progress, timer);

	p->frame++;
	draw(p);
	loop_timer_start(p->loop, t, FRAME_NS, progress_tick);
}

/* The step's last line: "✔ [2/7] text (1.2 s)" */
static void progress_finish(struct progress *p, bool good)
{
	const char *mark =
		p->utf8 ? (good ? "✔ " : "✘ ") : (good ? "ok " : "failed ");
	const char *colour = good ? "\033[32m" : "\033[31m";
	char counter[32];

	p->running = false;
	loop_timer_stop(&p->timer);
	clear_spinner(p);
	if (p->brief && good)
		return;
	log_fresh_line();
	put_counter(p, counter, sizeof(counter));
	if (!p->terminal)
		fprintf(p->out, "%s%s%s (%.1f s)\n", counter, p->text,
			good ? "" : ": failed", elapsed(p));
	else
		fprintf(p->out, "%s%s%s%s%s (%.1f s)\n",
			p->colour ? colour : "", mark,
			p->colour ? "\033[0m" : "", counter, p->text,
			elapsed(p));
	fflush(p->out);
}

/* --- interface * ---------------------------------------------------------- */

struct progress *progress_new(struct loop *l, FILE *out)
{
	struct progress *p = xcalloc(1, sizeof(*p));
	const char *term = getenv("TERM");

	p->loop = l;
	p->out = out;
	p->terminal = isatty(fileno(out)) && term && *term &&
		      strcmp(term, "dumb") != 0;
	p->colour = p->terminal && !env_has("NO_COLOR");
	p->utf8 = locale_is_utf8();
	log_set_hook(clear_spinner, p);
	return p;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	log_set_hook(NULL, NULL);
	loop_timer_stop(&p->timer);
	clear_spinner(p);
	free(p);
}

void progress_plain(struct progress *p)
{
	loop_timer_stop(&p->timer);
	clear_spinner(p);
	p->terminal = p->colour = false;
}

void progress_brief(struct progress *p)
{
	p->brief = true;
}

void progress_begin(struct progress *p, int total)
{
	p->number = 0;
	p->total = total;
}

void progress_step(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (p->running)
		progress_finish(p, true);
	va_start(ap, fmt);
	progress_set_text(p->text, fmt, ap);
	va_end(ap);
	p->detail[0] = '\0';
	p->number++;
	p->total = p->total ? MAX(p->total, p->number) : 0;
	p->started = clock_ns();
	p->running = true;
	if (!p->terminal)
		return;
	draw(p);
	loop_timer_start(p->loop, &p->timer, FRAME_NS, progress_tick);
}

void progress_detail(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	progress_set_text(p->detail, fmt, ap);
	va_end(ap);
	if (p->running && p->terminal)
		draw(p);
}

void progress_done(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->running)
		return;
	if (fmt) {
		va_start(ap, fmt);
		progress_set_text(p->text, fmt, ap);
		va_end(ap);
	}
	progress_finish(p, true);
}

void progress_fail(struct progress *p)
{
	if (p->running)
		progress_finish(p, false);
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clear_spinner(p);
	log_fresh_line();
	print_line(p->out, "%s", text);
	fflush(p->out);
	if (p->running && p->terminal)
		draw(p);
}

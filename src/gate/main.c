/* SPDX-License-Identifier: Apache-2.0 */
#include "base/endsignals.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "gate/end_tls.h"
#include "gate/mode.h"
#include "gate/sleep_mode.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * Runs as pid 1 of a container, as the shadow does (base/endsignals). No
 * children, no name service of libc's.
 */

static const struct gate_mode *const main_modes[] = { &end_tls, &sleep_mode,
						      NULL };

static const char main_usage[] =
	"usage: gate MODE [options]\n"
	"The second program of ktctl's Pods: what wants TLS in the cluster.\n"
	"\n"
	"  gate MODE --help   what a mode is for, and its options\n"
	"  gate --version     (also --help)\n"
	"\n"
	"modes:\n";

/* Told to end: what is open gets so long as the mode says; the second signal is
 * obeyed at once */
static int main_serve(struct loop *loop, const struct gate_mode *m, void *mode,
		      struct end_signals *sg)
{
	bool told = false;
	int64_t until = 0;

	while (!told || (!sg->stop && m->busy(mode) && clock_ns() < until)) {
		int rc = loop_once(loop, told ? 100 * NS_MS : NS_SEC);

		if (rc < 0) {
			log_err("event loop: %s", strerror(-rc));
			return 1;
		}
		if (told || !sg->stop)
			continue;
		told = true;
		sg->stop = false;
		until = clock_ns() + m->end(mode);
	}
	return 0;
}

/* The Pod's status has it then (terminationMessagePath), wherever the node
 * keeps its logs. No file where there is no Pod. */
static void main_say_last(const char *text)
{
	auto_close int fd =
		open("/dev/termination-log", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

static int main_run(const struct gate_mode *m, int argc, char **argv)
{
	struct end_signals sg = { 0 };
	struct kt_error err = { 0 };
	struct loop *loop = loop_new();
	void *mode = NULL;
	int rc = 1;

	if (loop && end_signals_start(&sg, loop) == 0)
		rc = m->start(loop, argc, argv, &mode, &err);
	if (mode) {
		rc = main_serve(loop, m, mode, &sg);
		m->free(mode);
	} else if (err.code) {
		print_line(stderr, "gate: %s: %s", m->name, err.msg);
		main_say_last(err.msg);
	}
	loop_watch_stop(&sg.watch);
	loop_free(loop);
	return rc;
}

static int main_help(void)
{
	print_text(stdout, main_usage, strlen(main_usage));
	for (const struct gate_mode *const *m = main_modes; *m; m++)
		print_line(stdout, "  %-8s %s", (*m)->name, (*m)->summary);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	/* a key, or a token, is in this memory: no core file has it */
	prctl(PR_SET_DUMPABLE, 0);
	if (strcmp(name, "--version") == 0) {
		print_line(stdout, "gate %s", KT_VERSION);
		return 0;
	}
	if (strcmp(name, "--help") == 0)
		return main_help();
	for (const struct gate_mode *const *m = main_modes; *m; m++)
		if (strcmp(name, (*m)->name) == 0)
			return main_run(*m, argc - 1, argv + 1);
	print_line(stderr, "gate: '%s' is no mode: see gate --help", name);
	return 2;
}

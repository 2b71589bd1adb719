// SPDX-License-Identifier: Apache-2.0
/*
 * pause.c: the first process of every Pod's sandbox and of the test
 * cluster's node. It waits, reaps orphans, and leaves when told to.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	for (;;) {
		if (sigwait(&set, &sig))
			continue;
		if (sig != SIGCHLD)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

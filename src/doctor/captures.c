/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/captures.h"

#include "run/ways.h"

void captures_check(struct findings *f)
{
	struct kt_error namespace = { 0 }, seccomp = { 0 };

	if (ways_try_namespace(&namespace) < 0)
		finding_error(f, "namespaces", FINDING_WARN, &namespace);
	else
		finding_add(f, "namespaces", FINDING_OK, NULL,
			    "a user may have them, with a TUN device and rules "
			    "of nftables (run --capture namespace)");
	if (ways_try_seccomp(&seccomp) < 0)
		finding_error(f, "seccomp", FINDING_WARN, &seccomp);
	else
		finding_add(f, "seccomp", FINDING_OK, NULL,
			    "system calls of a program can be supervised (run "
			    "--capture seccomp)");
	if (!namespace.code)
		finding_add(f, "capture", FINDING_OK, NULL,
			    "run takes namespaces: all of the program's "
			    "traffic");
	else if (!seccomp.code)
		finding_add(f, "capture", FINDING_WARN,
			    "what is different is said in ktctl-run(1), "
			    "WITHOUT NAMESPACES",
			    "run takes seccomp");
	else
		finding_add(f, "capture", FINDING_WARN,
			    "programs that know no proxy do not reach the "
			    "cluster",
			    "run takes a SOCKS5 proxy and variables for it");
}

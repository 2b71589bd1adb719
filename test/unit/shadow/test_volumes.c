/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the real shadow: who knows the secret reads them, nobody else. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "wire/fsmsg.h"
#include "wire/sha256.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define SECRET "abcdefghijklmnopqrstuvwxyz"

static char folder[] = "/tmp/kt-volumes-XXXXXX";

struct dialled {
	bool done;
	int error;
};

static void on_dialled(void *user, int error)
{
	struct dialled *d = user;

	d->done = true;
	d->error = error;
}

static int dial(struct rig *r, const char *secret, struct tunnel_tcp **tcp)
{
	struct dialled d = { 0 };

	*tcp = tunnel_files_open(r->tunnel, secret, on_dialled, &d);
	assert_non_null(*tcp);
	rig_wait(r, &d.done);
	return d.error;
}

static void the_secret_opens_the_volumes(void **state)
{
	char digest[SHA256_HEX], option[160];
	char *args[] = { (char *)(uintptr_t) "--volumes", option, NULL };
	const struct fsmsg_request q = { .id = 5, .op = FSMSG_STAT };
	uint8_t reply[FSMSG_ANSWER_HEAD + FSMSG_ATTR_SIZE];
	struct fsmsg_answer a;
	struct tunnel_tcp *tcp;
	struct sha256 sum;
	struct rig rig;
	struct buf b;
	int pair[2];

	(void)state;
	sha256_init(&sum);
	sha256_add(&sum, SECRET, strlen(SECRET));
	snprintf(option, sizeof(option), "%s=%s", folder,
		 sha256_end(&sum, digest));
	rig_start(&rig, args);
	assert_int_equal(dial(&rig, "another", &tcp), -EACCES);
	assert_int_equal(dial(&rig, digest + 1, &tcp), -EACCES);
	assert_int_equal(dial(&rig, SECRET, &tcp), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(tunnel_tcp_relay(tcp, pair[1], NULL, NULL), 0);
	buf_init(&b, 1024);
	assert_int_equal(fsmsg_put_request(&b, &q), 0);
	assert_int_equal(write(pair[0], buf_data(&b), b.len), b.len);
	rig_readable(&rig, pair[0]);
	assert_int_equal(recv(pair[0], reply, sizeof(reply), MSG_WAITALL),
			 sizeof(reply));
	assert_int_equal(fsmsg_get_answer(reply, sizeof(reply), &a),
			 sizeof(reply));
	assert_int_equal(a.id, 5);
	assert_int_equal(a.error, 0);
	buf_fini(&b);
	close(pair[0]);
	rig_stop(&rig);
}

static void without_volumes_there_are_none(void **state)
{
	struct tunnel_tcp *tcp;
	struct rig rig;

	(void)state;
	rig_start(&rig, NULL);
	assert_int_equal(dial(&rig, SECRET, &tcp), -ENOTSUP);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_secret_opens_the_volumes),
		cmocka_unit_test(without_volumes_there_are_none),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}

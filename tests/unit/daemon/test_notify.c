/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service manager's datagrams, to a real socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"
#include "daemon/notify.h"

struct manager {
	int fd;
	char dir[32];
	char path[64];
};

static int setup(void **state)
{
	struct manager *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(m->fd >= 0);
	snprintf(m->dir, sizeof(m->dir), "/tmp/rw-notify-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	snprintf(m->path, sizeof(m->path), "%s/notify", m->dir);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct manager *m = *state;

	unsetenv("NOTIFY_SOCKET");
	close(m->fd);
	unlink(m->path);
	rmdir(m->dir);
	free(m);
	return 0;
}

static void listen_at(struct manager *m, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	assert_true(len <= sizeof(a.sun_path));
	memcpy(a.sun_path, name, len);
	if (*name == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(bind(m->fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
}

static void assert_received(const struct manager *m, const char *text)
{
	char buf[1024];
	ssize_t n = recv(m->fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static void assert_nothing(const struct manager *m)
{
	char byte;

	assert_int_equal(recv(m->fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_path(void **state)
{
	struct manager *m = *state;

	listen_at(m, m->path);
	setenv("NOTIFY_SOCKET", m->path, 1);
	notify_send("READY=1\nSTATUS=watching %d processes", 7);
	assert_received(m, "READY=1\nSTATUS=watching 7 processes");
	notify_send("WATCHDOG=1");
	assert_received(m, "WATCHDOG=1");
	assert_nothing(m);
}

static void test_abstract(void **state)
{
	struct manager *m = *state;
	char name[64];

	snprintf(name, sizeof(name), "@%s", m->dir);
	listen_at(m, name);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("STOPPING=1");
	assert_received(m, "STOPPING=1");
}

static void test_no_manager(void **state)
{
	struct manager *m = *state;

	listen_at(m, m->path);
	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	/* None of these is an address: relative, empty, of another family. */
	setenv("NOTIFY_SOCKET", "", 1);
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "notify", 1);
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:9", 1);
	notify_send("READY=1");
	assert_nothing(m);
}

static void test_nobody_listens(void **state)
{
	struct manager *m = *state;

	setenv("NOTIFY_SOCKET", m->path, 1);
	notify_send("READY=1");
	assert_nothing(m);
}

static void test_address_too_long(void **state)
{
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("READY=1");
	name[0] = '@';
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("READY=1");
}

static void test_long_text_is_cut(void **state)
{
	struct manager *m = *state;
	char text[2000], buf[2000];
	ssize_t n;

	listen_at(m, m->path);
	setenv("NOTIFY_SOCKET", m->path, 1);
	memset(text, 's', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	notify_send("STATUS=%s", text);
	n = recv(m->fd, buf, sizeof(buf), 0);
	assert_true(n > 400 && n < 1000);
	assert_memory_equal(buf, "STATUS=ssss", 11);
}

/* Nobody reads: what does not fit is left out, and the daemon goes on. */
static void test_a_manager_that_stands_still(void **state)
{
	struct manager *m = *state;
	char buf[64];
	int kept = 0;

	listen_at(m, m->path);
	setenv("NOTIFY_SOCKET", m->path, 1);
	alarm(20);
	for (int i = 0; i < 5000; i++)
		notify_send("WATCHDOG=1");
	notify_send("READY=1");
	alarm(0);
	while (recv(m->fd, buf, sizeof(buf), 0) > 0)
		kept++;
	assert_true(kept > 0 && kept < 5000);
	notify_send("WATCHDOG=1");
	assert_received(m, "WATCHDOG=1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_path),
		T(test_abstract),
		T(test_no_manager),
		T(test_nobody_listens),
		T(test_address_too_long),
		T(test_long_text_is_cut),
		T(test_a_manager_that_stands_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

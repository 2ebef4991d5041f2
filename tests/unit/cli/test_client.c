/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One exchange with servers that behave as a daemon never should. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/cli.h"

static char dir[64], path[128];

static int listen_at(const char *where)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, where);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static bool read_request(int fd)
{
	char c = 0;

	while (c != '\n')
		if (read(fd, &c, 1) != 1)
			return false;
	return true;
}

/* Serves one client: reads a line (or not), writes what it was given, closes. */
static pid_t serve_once(const char *answer, size_t len, bool reads)
{
	int fd = listen_at(path);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	int peer = accept(fd, NULL, NULL);

	if (reads && !read_request(peer))
		_exit(1);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(peer, answer + at, len - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	_exit(0);
}

static void end(pid_t pid)
{
	waitpid(pid, NULL, 0);
	unlink(path);
}

static int exchange(struct strbuf *b, struct cli_error *e)
{
	strbuf_reset(b);
	return runaway_cli_exchange(path, "{}", 2, NULL, b, e);
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer;
		size_t len;
		bool reads;
		const char *want; /* NULL: an error */
	} row[] = {
		{ "{\"id\":1}\n", 9, true, "{\"id\":1}" },
		{ "{\"id\":1}\nmore\n", 14, true, "{\"id\":1}" },
		/* Turned away before anything was read: the reason arrives all the same. */
		{ "busy\n", 5, false, "busy" },
		{ "no end", 6, true, NULL },
		{ "", 0, true, NULL },
		{ "", 0, false, NULL },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		pid_t pid = serve_once(row[i].answer, row[i].len, row[i].reads);
		struct cli_error e = { 0 };
		int r = exchange(&b, &e);

		end(pid);
		assert_int_equal(r, row[i].want ? 0 : -1);
		if (row[i].want)
			assert_string_equal(b.data, row[i].want);
		else
			assert_string_equal(e.code, "failed");
	}
}

static void test_long_answer(void **state)
{
	size_t len = (size_t)3 * 1024 * 1024;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *answer = malloc(len);
	struct cli_error e;
	pid_t pid;

	(void)state;
	assert_non_null(answer);
	memset(answer, 'x', len);
	answer[len - 1] = '\n';
	pid = serve_once(answer, len, true);
	assert_int_equal(exchange(&b, &e), 0);
	end(pid);
	assert_int_equal(b.len, len - 1);
}

static void test_long_request(void **state)
{
	size_t len = CLI_REQUEST_MAX;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *request = malloc(len);
	struct cli_error e;
	pid_t pid;

	(void)state;
	assert_non_null(request);
	memset(request, ' ', len);
	pid = serve_once("ok\n", 3, true);
	assert_int_equal(runaway_cli_exchange(path, request, len, NULL, &b, &e), 0);
	end(pid);
	assert_string_equal(b.data, "ok");
}

static void test_nobody_there(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct cli_error e;
	char far[200];

	(void)state;
	assert_int_equal(exchange(&b, &e), -1);
	assert_string_equal(e.code, "failed");
	assert_non_null(strstr(e.text, "systemctl start runawayd"));
	assert_true(e.unserved);
	close(listen_at(path));
	assert_int_equal(exchange(&b, &e), -1);
	assert_non_null(strstr(e.text, "systemctl start runawayd"));
	assert_true(e.unserved);
	unlink(path);
	assert_int_equal(runaway_cli_exchange(dir, "{}", 2, NULL, &b, &e), -1);
	assert_string_equal(e.code, "failed");
	assert_non_null(strstr(e.text, "is no socket"));
	assert_true(e.unserved);
	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	assert_int_equal(runaway_cli_exchange(far, "{}", 2, NULL, &b, &e), -1);
	assert_string_equal(e.code, "usage");
	assert_false(e.unserved);
	assert_int_equal(runaway_cli_exchange("", "{}", 2, NULL, &b, &e), -1);
	assert_string_equal(e.code, "usage");
	assert_int_equal(b.len, 0);
}

/* A folder that may not be entered; root would be let in, so a child gives that up first. */
static void test_not_permitted(void **state)
{
	int fd = listen_at(path), status;
	pid_t pid;

	(void)state;
	assert_int_equal(chmod(path, 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct strbuf b = STRBUF_INIT;
		struct cli_error e = { 0 };

		if (geteuid() == 0 && (chmod(dir, 0755) < 0 || setuid(65534) < 0))
			_exit(2);
		_exit(exchange(&b, &e) == -1 && strcmp(e.code, "denied") == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	close(fd);
	unlink(path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A daemon that is silent for a while: a person at a terminal is told so, once. */
static void test_waiting_is_told(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd = listen_at(path), noted[2];
	char text[64] = "";
	struct cli_error e;
	FILE *note;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(noted), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct pollfd p = { .fd = noted[0], .events = POLLIN };
		int peer;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer = accept(fd, NULL, NULL);
		/* Answers only after the note was seen, so that nothing depends on timing. */
		_exit(poll(&p, 1, 10000) == 1 && write(peer, "{}\n", 3) == 3 ? 0 : 1);
	}
	note = fdopen(noted[1], "w");
	setvbuf(note, NULL, _IONBF, 0);
	assert_int_equal(runaway_cli_exchange(path, "{}", 2, note, &b, &e), 0);
	assert_true(read(noted[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "waiting for the daemon\n");
	fclose(note);
	close(noted[0]);
	close(fd);
	end(pid);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/client.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	      cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_long_request),  cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_not_permitted), cmocka_unit_test(test_waiting_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

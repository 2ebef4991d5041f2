/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Connections of the control socket: turns, limits, timeouts, and the file of the socket. */
#include "out/control_fixture.h"

/* A thousand lines at once are answered in order, and a neighbour need not wait for them. */
static void test_turns(void **state)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT, b = STRBUF_INIT;
	static const char one[] = "{\"id\":\"me\",\"method\":\"config.show\"}\n";
	struct fixture *f = *state;
	char want[64];
	int busy, quiet, turns = 0;

	assert_int_equal(open_control(f, 64, 60), 0);
	busy = dial(f);
	quiet = dial(f);
	settle(f);
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&lines, "{\"id\":%d,\"method\":\"config.show\"}\n", i);
	assert_int_equal(send(busy, lines.data, lines.len, 0), lines.len);
	assert_int_equal(send(quiet, one, sizeof(one) - 1, 0), sizeof(one) - 1);
	for (char c; recv(quiet, &c, 1, MSG_PEEK) != 1; turns++)
		assert_true(turn(f, DEADLINE_MS));
	assert_true(turns <= 2);
	for (int i = 0; i < 1000; i++) {
		assert_true(get(f, busy, &b));
		snprintf(want, sizeof(want), "{\"id\":%d,", i);
		assert_int_equal(strncmp(b.data, want, strlen(want)), 0);
	}
	close(busy);
	close(quiet);
	settle(f);
	assert_false(turn(f, 0));
}

/* Costly answers to many: the daemon's other work has its turn between them. */
static void test_time_is_bounded(void **state)
{
	static const char two[] = "{\"method\":\"config.show\"}\n{\"method\":\"config.show\"}\n";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd[10];

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(f);
	settle(f);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		assert_int_equal(send(fd[i], two, sizeof(two) - 1, 0), sizeof(two) - 1);
	f->show_ns = 10 * NSEC_PER_MSEC;
	assert_true(turn(f, DEADLINE_MS));
	assert_in_range(f->shows, 1, 3);
	f->show_ns = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		assert_true(get(f, fd[i], &b));
		assert_true(get(f, fd[i], &b));
		close(fd[i]);
	}
	assert_int_equal(f->shows, 2 * ARRAY_SIZE(fd));
}

static void test_too_many_clients(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	cJSON *answer;
	int fd[80];

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(f);
	settle(f);
	for (size_t i = 0; i < 64; i++) {
		answer = ask(f, fd[i], "{\"method\":\"config.show\"}");
		assert_string_equal(code_of(answer), "none");
		cJSON_Delete(answer);
	}
	for (size_t i = 64; i < ARRAY_SIZE(fd); i++) {
		assert_true(get(f, fd[i], &b));
		assert_non_null(strstr(b.data, "\"code\":\"failed\""));
		assert_false(get(f, fd[i], &b));
		close(fd[i]);
	}
	/* A place that is given back is given away again. */
	close(fd[0]);
	settle(f);
	fd[0] = dial(f);
	answer = ask(f, fd[0], "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	for (size_t i = 0; i < 64; i++)
		close(fd[i]);
	settle(f);
}

/* Asks and never reads: its queue is bounded, others are served, and in the end it is dropped. */
static void test_slow_reader_is_dropped(void **state)
{
	static const char line[] = "{\"method\":\"proc.orphans\"}\n";
	uint64_t limit_ns = runaway_mono_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	struct fixture *f = *state;
	struct pollfd p;
	cJSON *answer;
	int slow, other;

	assert_int_equal(open_control(f, 64, 1), 0);
	slow = dial(f);
	/* Until nothing more is taken: the daemon does not read for ever what it cannot answer. */
	for (int full = 0; full < 3;) {
		full = send(slow, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0 ? full + 1 : 0;
		settle(f);
		assert_true(runaway_mono_ns() < limit_ns);
	}
	other = dial(f);
	answer = ask(f, other, "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	p = (struct pollfd){ .fd = slow, .events = 0 };
	while (poll(&p, 1, 0) == 0) {
		assert_true(turn(f, DEADLINE_MS));
		assert_true(runaway_mono_ns() < limit_ns);
	}
	assert_true(p.revents & POLLHUP);
	close(slow);
	close(other);
}

static void test_idle_is_dropped_and_rest_is_silent(void **state)
{
	struct fixture *f = *state;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd;

	assert_int_equal(open_control(f, 64, 1), 0);
	assert_false(turn(f, 0));
	fd = dial(f);
	assert_false(get(f, fd, &b)); /* the end of the connection, without a word */
	close(fd);
	settle(f);
	/* With nobody there no timer wakes the daemon. */
	assert_false(turn(f, 1100));
}

static void test_last_line_without_newline(void **state)
{
	static const char line[] = "{\"id\":4,\"method\":\"config.show\"}\n{\"id\":5,\"method\":"
				   "\"config.show\"}";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	put(f, fd, line, sizeof(line) - 1);
	shutdown(fd, SHUT_WR);
	assert_true(get(f, fd, &b));
	assert_true(get(f, fd, &b));
	assert_int_equal(strncmp(b.data, "{\"id\":5,", 8), 0);
	assert_false(get(f, fd, &b));
	close(fd);
}

static void test_peer_that_is_gone(void **state)
{
	static const char line[] = "{\"method\":\"proc.orphans\"}\n";
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	for (int i = 0; i < 20; i++) {
		fd = dial(f);
		for (int k = 0; k <= i; k++)
			assert_true(send(fd, line, sizeof(line) - 1, 0) > 0);
		if (i % 2)
			turn(f, 0);
		close(fd);
		settle(f);
	}
	assert_false(turn(f, 0));
}

static void test_socket_file(void **state)
{
	struct fixture *f = *state;
	struct runaway_control *first;
	struct stat st;
	mode_t old;
	int fd;

	old = umask(0077);
	assert_int_equal(open_control(f, 64, 60), 0);
	umask(old);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0666);
	/* Somebody listens: a second daemon stays away, and the first goes on. */
	first = f->control;
	assert_int_equal(open_control(f, 64, 60), -EADDRINUSE);
	f->control = first;
	close(dial(f));
	settle(f);
	runaway_control_close(f->control);
	f->control = NULL;
	assert_int_equal(lstat(f->path, &st), -1);
	/* What a killed daemon left behind is replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		strcpy(sa.sun_path, f->path);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	close(fd);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_int_equal(open_control(f, 64, 60), 0);
	close(dial(f));
}

static void test_socket_name_of_others(void **state)
{
	struct fixture *f = *state;
	char good[sizeof(f->path)];
	struct stat st;
	int fd;

	/* A file is no socket: it is not ours to remove. */
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_control(f, 64, 60), -EEXIST);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(f->path);
	/* Our name was taken by something else meanwhile: that stays when we go. */
	assert_int_equal(open_control(f, 64, 60), 0);
	unlink(f->path);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	runaway_control_close(f->control);
	f->control = NULL;
	assert_int_equal(lstat(f->path, &st), 0);
	/* Names that cannot be. */
	strcpy(good, f->path);
	memset(f->path, 'x', sizeof(f->path) - 1);
	assert_int_equal(open_control(f, 64, 60), -ENAMETOOLONG);
	strcpy(f->path, "");
	assert_int_equal(open_control(f, 64, 60), -EINVAL);
	strcpy(f->path, "/no/such/folder/control.sock");
	assert_int_equal(open_control(f, 64, 60), -ENOENT);
	strcpy(f->path, good);
	assert_null(f->control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_turns),
		TEST(test_time_is_bounded),
		TEST(test_too_many_clients),
		TEST(test_slow_reader_is_dropped),
		TEST(test_idle_is_dropped_and_rest_is_silent),
		TEST(test_last_line_without_newline),
		TEST(test_peer_that_is_gone),
		TEST(test_socket_file),
		TEST(test_socket_name_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json.h"

/* stderr goes into a socket that keeps writes apart: each recv() is one write(2). */
struct capture {
	int real_stderr, read_fd;
	char text[1 << 16];
};

static int set_up(void **state)
{
	struct capture *c = calloc(1, sizeof(*c));
	int pair[2];

	if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	c->real_stderr = dup(STDERR_FILENO);
	c->read_fd = pair[0];
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	runaway_log_set_level(RUNAWAY_LOG_INFO);
	runaway_log_set_json(false);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct capture *c = *state;

	dup2(c->real_stderr, STDERR_FILENO);
	close(c->real_stderr);
	close(c->read_fd);
	free(c);
	return 0;
}

/* What one write brought; NULL when there was none. */
static const char *captured(struct capture *c)
{
	ssize_t n = recv(c->read_fd, c->text, sizeof(c->text) - 1, MSG_DONTWAIT);

	if (n < 0)
		return NULL;
	c->text[n] = '\0';
	return c->text;
}

/* Takes the time off the front and sees that it is one, and recent. */
static const char *behind_time(const char *line)
{
	char time[RUNAWAY_RFC3339_LEN];
	uint64_t ns, now = runaway_real_ns();

	assert_non_null(line);
	assert_true(strlen(line) > RUNAWAY_RFC3339_LEN);
	memcpy(time, line, sizeof(time) - 1);
	time[sizeof(time) - 1] = '\0';
	assert_int_equal(runaway_rfc3339_parse(time, &ns), 0);
	assert_true(ns <= now && now - ns < 60 * NSEC_PER_SEC);
	assert_int_equal(line[sizeof(time) - 1], ' ');
	return line + sizeof(time);
}

static void text_form(void **state)
{
	log_warning("scan took %d ms of %s", 1500, "1000");
	assert_string_equal(behind_time(captured(*state)), "warning scan took 1500 ms of 1000\n");
	log_error("gone");
	assert_string_equal(behind_time(captured(*state)), "error gone\n");
	log_info("caf\xc3\xa9");
	assert_string_equal(behind_time(captured(*state)), "info caf\xc3\xa9\n");
	assert_null(captured(*state));
}

static void an_empty_message_is_a_line(void **state)
{
	log_info("%s", "");
	assert_string_equal(behind_time(captured(*state)), "info \n");
}

static void level_cuts_off(void **state)
{
	log_debug("not seen");
	assert_null(captured(*state));
	runaway_log_set_level(RUNAWAY_LOG_DEBUG);
	log_debug("seen");
	assert_string_equal(behind_time(captured(*state)), "debug seen\n");
	runaway_log_set_level(RUNAWAY_LOG_ERROR);
	log_warning("not seen");
	log_info("not seen");
	assert_null(captured(*state));
	log_error("seen");
	assert_string_equal(behind_time(captured(*state)), "error seen\n");
}

static void hostile_text_stays_one_line(void **state)
{
	log_info("comm %s", "a\nb\x1b[2J\\\xff");
	assert_string_equal(behind_time(captured(*state)), "info comm a\\x0ab\\x1b[2J\\x5c\\xff\n");
}

static void json_form(void **state)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	const char *line;
	uint64_t ns;

	runaway_log_set_json(true);
	log_warning("comm \"%s\"", "a\nb\x1b\xff");
	line = captured(*state);
	assert_non_null(line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_true(test_is_clean(line, strlen(line) - 1));
	assert_int_equal(runaway_json_parse(line, strlen(line), &doc, NULL), 0);
	assert_int_equal(cJSON_GetArraySize(doc), 3);
	assert_string_equal(runaway_json_str(doc, "level", NULL), "warning");
	assert_string_equal(runaway_json_str(doc, "msg", NULL), "comm \"a\nb\x1b\xef\xbf\xbd\"");
	assert_int_equal(runaway_rfc3339_parse(runaway_json_str(doc, "time", ""), &ns), 0);
}

static void random_messages_stay_one_line(void **state)
{
	uint64_t seed = 99;
	char s[300];

	for (int i = 0; i < 2000; i++) {
		const char *line;
		size_t len = test_random_bytes(&seed, s, sizeof(s) - 1);

		s[len] = '\0';
		runaway_log_set_json(i % 2);
		log_info("%s", s);
		line = captured(*state);
		assert_non_null(line);
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_true(test_is_clean(line, strlen(line) - 1));
		assert_null(captured(*state));
	}
}

static void a_long_message_comes_whole(void **state)
{
	char s[20001];
	const char *line;

	memset(s, 'x', sizeof(s) - 1);
	s[sizeof(s) - 1] = '\0';
	log_info("%s", s);
	line = behind_time(captured(*state));
	assert_int_equal(strlen(line), strlen("info ") + sizeof(s) - 1 + 1);
}

static void errno_forms_return_and_explain(void **state)
{
	const char *name = "f";

	assert_int_equal(log_error_errno(-ENOENT, "open %s", name), -ENOENT);
	assert_string_equal(behind_time(captured(*state)),
			    "error open f: No such file or directory\n");
	assert_int_equal(log_warning_errno(-EPERM, "plain"), -EPERM);
	assert_string_equal(behind_time(captured(*state)),
			    "warning plain: Operation not permitted\n");
}

static void errno_survives(void **state)
{
	errno = ENOTTY;
	log_info("something");
	assert_int_equal(errno, ENOTTY);
	assert_non_null(captured(*state));
}

/* A full disk or a reader that went away is no reason to stop. */
static void a_dead_stderr_is_borne(_unused_ void **state)
{
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(full >= 0 && dup2(full, STDERR_FILENO) >= 0);
	errno = 0;
	log_error("nobody reads this");
	assert_int_equal(errno, 0);
}

static void level_words(_unused_ void **state)
{
	static const char *const bad[] = { "", "Error", "warn", "errors", "debug ", "4" };
	enum runaway_log_level level = RUNAWAY_LOG_DEBUG;

	assert_int_equal(runaway_log_parse_level("error", &level), 0);
	assert_int_equal(level, RUNAWAY_LOG_ERROR);
	assert_int_equal(runaway_log_parse_level("warning", &level), 0);
	assert_int_equal(level, RUNAWAY_LOG_WARNING);
	assert_int_equal(runaway_log_parse_level("debug", &level), 0);
	assert_int_equal(level, RUNAWAY_LOG_DEBUG);
	assert_int_equal(runaway_log_parse_level("info", &level), 0);
	assert_int_equal(level, RUNAWAY_LOG_INFO);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(runaway_log_parse_level(bad[i], &level), -EINVAL);
		assert_int_equal(level, RUNAWAY_LOG_INFO);
	}
}

static void errno_texts(_unused_ void **state)
{
	assert_string_equal(runaway_strerror(-EACCES), "Permission denied");
	assert_string_equal(runaway_strerror(EACCES), "Permission denied");
	assert_string_equal(runaway_strerror(-100000), "Unknown error");
	assert_string_equal(runaway_strerror(INT32_MIN), "Unknown error");
}

#define with_capture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_capture(text_form),
		with_capture(an_empty_message_is_a_line),
		with_capture(level_cuts_off),
		with_capture(hostile_text_stays_one_line),
		with_capture(json_form),
		with_capture(random_messages_stay_one_line),
		with_capture(a_long_message_comes_whole),
		with_capture(errno_forms_return_and_explain),
		with_capture(errno_survives),
		with_capture(a_dead_stderr_is_borne),
		cmocka_unit_test(level_words),
		cmocka_unit_test(errno_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

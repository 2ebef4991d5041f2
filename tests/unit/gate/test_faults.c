/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What else can fail: memory, reads, connections. Whatever it is, nothing is signalled and
 * the gate says so or ends.
 *
 * linked with --wrap: poll recv send read calloc realloc reallocarray strbuf_reserve
 * linked with --wrap: runaway_json_parse runaway_lines_each runaway_gate_frame_add adjtimex
 */
#include "gate/acting.h"

#include <sys/socket.h>
#include <sys/timex.h>

#include "base/lines.h"

/* The nth call of that name from now on fails, once. */
static struct {
	const char *call;
	unsigned int nth;
	int err;
} fault;

static void set_fault(const char *call, unsigned int nth, int err)
{
	fault.call = call;
	fault.nth = nth;
	fault.err = err;
}

static bool failing(const char *call)
{
	if (!fault.call || strcmp(fault.call, call) != 0 || --fault.nth > 0)
		return false;
	fault.call = NULL;
	errno = abs(fault.err);
	return true;
}

WRAP(int, poll, struct pollfd *fds, nfds_t n, int timeout)
{
	return failing("poll") ? -1 : __real_poll(fds, n, timeout);
}

WRAP(ssize_t, recv, int fd, void *data, size_t len, int flags)
{
	return failing("recv") ? -1 : __real_recv(fd, data, len, flags);
}

WRAP(ssize_t, send, int fd, const void *data, size_t len, int flags)
{
	if (failing("send"))
		return -1;
	return __real_send(fd, data, failing("short send") ? 1 : len, flags);
}

WRAP(ssize_t, read, int fd, void *data, size_t len)
{
	return failing("read") ? -1 : __real_read(fd, data, len);
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return failing("calloc") ? NULL : __real_calloc(n, size);
}

WRAP(void *, realloc, void *p, size_t size)
{
	return failing("realloc") ? NULL : __real_realloc(p, size);
}

WRAP(void *, reallocarray, void *p, size_t n, size_t size)
{
	return failing("reallocarray") ? NULL : __real_reallocarray(p, n, size);
}

WRAP(int, strbuf_reserve, struct strbuf *b, size_t extra)
{
	return failing("strbuf_reserve") ? fault.err : __real_strbuf_reserve(b, extra);
}

WRAP(int, runaway_json_parse, const char *text, size_t len, cJSON **ret, size_t *ret_offset)
{
	return failing("json") ? fault.err : __real_runaway_json_parse(text, len, ret, ret_offset);
}

WRAP(int, runaway_lines_each, int fd, runaway_line_fn fn, void *ctx)
{
	return failing("lines") ? fault.err : __real_runaway_lines_each(fd, fn, ctx);
}

WRAP(int, runaway_gate_frame_add, struct strbuf *out, const char *text, size_t len)
{
	return failing("frame") ? fault.err : __real_runaway_gate_frame_add(out, text, len);
}

static int clock_state = TIME_OK;

WRAP(int, adjtimex, struct timex *t)
{
	assert_int_equal(t->modes, 0);
	return clock_state;
}

/* ---- clocks ---- */

static void synchronised_or_not(_unused_ void **state)
{
	pid_t pid = start_target();

	g->config.require_clock_sync = true;
	clock_state = TIME_ERROR;
	documents_for(pid);
	assert_applied("not_allowed", "clock_unsynchronised");
	clock_state = TIME_OK;
	documents_for(pid);
	assert_applied("signalled", "");
	end_target(pid);
}

/* ---- what is read of a process ---- */

static void unreadable_targets(_unused_ void **state)
{
	pid_t pid = start_target();

	/* identify alone, then the arguments, then the cgroup. */
	documents_for(pid);
	for (int i = 0; i < 3; i++) {
		identify_fails = i == 0;
		fail_file = i == 1 ? "/cmdline" : i == 2 ? "/cgroup" : NULL;
		assert_applied("not_allowed", "target_unreadable");
	}
	identify_fails = false;
	fail_file = NULL;
	assert_applied("signalled", "");
	end_target(pid);
}

static void poll_that_is_interrupted_or_fails(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	set_fault("poll", 1, EINTR);
	assert_applied("signalled", "");
	documents_for(pid);
	set_fault("poll", 2, EINTR);
	assert_applied("signalled", "");
	documents_for(pid);
	/* Behind that of the actuator's connection. */
	set_fault("poll", 2, ENOMEM);
	assert_applied("not_allowed", "target_gone");
	end_target(pid);
}

static int look_with(const char *file, const char *text)
{
	struct runaway_gate_self self;
	int err;

	fail_file = file;
	file_text = text;
	err = runaway_look_at_self("", 77, &self);
	fail_file = file_text = NULL;
	return err;
}

static void an_own_self_that_cannot_be_read(_unused_ void **state)
{
	assert_int_equal(look_with("/boot_id", NULL), -EIO);
	assert_int_equal(look_with("/boot_id", "\n"), -ENODATA);
	assert_int_equal(look_with("/cgroup", NULL), -EIO);
	/* The chain of ancestors ends where it cannot be read. */
	assert_int_equal(look_with("/stat", NULL), 0);
	assert_int_equal(look_with("/stat", "nothing"), 0);
	assert_int_equal(look_with("/stat", "1 (x) S"), 0);
	/* And it is bounded. */
	assert_int_equal(look_with("/stat", "1 (x) S 7 "), 0);
}

/* ---- memory ---- */

static void documents_without_memory(_unused_ void **state)
{
	pid_t pid = start_target();
	struct runaway_plan *plan = calloc(1, sizeof(*plan));

	documents_for(pid);
	set_fault("json", 1, -ENOMEM);
	assert_int_equal(runaway_plan_read(plan_text.data, plan_text.len, plan), -ENOMEM);
	set_fault("calloc", 1, ENOMEM);
	assert_int_equal(runaway_plan_read(plan_text.data, plan_text.len, plan), -ENOMEM);
	/* The text that is written to be compared. */
	set_fault("realloc", 1, ENOMEM);
	assert_int_equal(runaway_plan_read(plan_text.data, plan_text.len, plan), -ENOMEM);
	assert_null(fault.call);
	free(plan);
	end_target(pid);
}

static void history_without_memory(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	set_fault("reallocarray", 1, ENOMEM);
	assert_applied("refused", "audit_failed");
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

static void answers_without_memory(_unused_ void **state)
{
	static const char status[] = "{\"type\":\"status\",\"id\":\"1\"}";
	struct strbuf out = STRBUF_INIT;

	set_fault("frame", 1, -ENOMEM);
	runaway_gate_answer(g, status, strlen(status), &out);
	assert_true(g->stop);
	g->stop = false;
	set_fault("realloc", 1, ENOMEM);
	runaway_gate_answer(g, status, strlen(status), &out);
	assert_true(g->stop);
	/* Half an answer is none. */
	g->stop = false;
	set_fault("realloc", 2, ENOMEM);
	runaway_gate_answer(g, status, strlen(status), &out);
	assert_null(fault.call);
	assert_true(g->stop);
	assert_int_equal(out.len, 0);
	set_fault("realloc", 1, ENOMEM);
	assert_int_equal(runaway_gate_greet(g, "1", &out), -ENOMEM);
	strbuf_free(&out);
}

/* ---- the audit at start ---- */

static void audits_that_cannot_be_read(_unused_ void **state)
{
	assert_int_equal(runaway_gate_record_start(g), 0);
	runaway_audit_close(&g->audit);
	set_fault("lines", 1, -EIO);
	assert_int_equal(runaway_audit_open(g->folder, TEST_BOOT, &g->audit, &g->history), -EIO);
	set_fault("json", 1, -ENOMEM);
	assert_int_equal(runaway_audit_open(g->folder, TEST_BOOT, &g->audit, &g->history), -ENOMEM);
	restart_gate();
	assert_int_equal(g->audit.seq, 1);
}

/* ---- keys ---- */

static void keys_that_cannot_be_saved(_unused_ void **state)
{
	char path[96];
	struct runaway_key key;

	runaway_key_generate(&key);
	snprintf(path, sizeof(path), "%s/key", gate_dir);
	fail_all_writes = EIO;
	assert_int_equal(runaway_key_save(&key, path), -EIO);
	fail_all_writes = 0;
	assert_int_equal(access(path, F_OK), -1);
	fail_all_fsyncs = EIO;
	assert_int_equal(runaway_key_save(&key, path), -EIO);
	fail_all_fsyncs = 0;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(runaway_key_save(&key, path), 0);
}

/* ---- connections ---- */

static const char status_frame[] = "\0\0\0\032{\"type\":\"status\",\"id\":\"1\"}";

static int serve_with(const char *call, unsigned int nth, int err, size_t *ret_answers)
{
	int fd[2], r;
	char buf[65536];

	*ret_answers = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(__real_send(fd[0], status_frame, sizeof(status_frame) - 1, 0),
			 sizeof(status_frame) - 1);
	assert_int_equal(shutdown(fd[0], SHUT_WR), 0);
	if (g->signals < 0)
		use_signalfd();
	g->stop = false;
	g->self_test_boot_ns = runaway_boot_ns();
	set_fault(call, nth, err);
	r = runaway_gate_serve(g, fd[1]);
	fault.call = NULL;
	close(fd[1]);
	*ret_answers = __real_recv(fd[0], buf, sizeof(buf), 0) > 0;
	close(fd[0]);
	return r;
}

static void connections_that_fail(_unused_ void **state)
{
	size_t answers;

	assert_int_equal(serve_with("none", 1, 0, &answers), 0);
	assert_int_equal(answers, 1);
	/* Interrupted: once more. */
	assert_int_equal(serve_with("poll", 1, EINTR, &answers), 0);
	assert_int_equal(answers, 1);
	assert_int_equal(serve_with("recv", 1, EINTR, &answers), 0);
	assert_int_equal(answers, 1);
	assert_int_equal(serve_with("recv", 1, EAGAIN, &answers), 0);
	assert_int_equal(answers, 1);
	assert_int_equal(serve_with("send", 1, EINTR, &answers), 0);
	assert_int_equal(answers, 1);
	assert_int_equal(serve_with("short send", 1, 0, &answers), 0);
	assert_int_equal(answers, 1);
	/* Broken: the end. */
	assert_int_equal(serve_with("poll", 1, ENOMEM, &answers), -ENOMEM);
	assert_int_equal(serve_with("recv", 1, ECONNRESET, &answers), -ECONNRESET);
	assert_int_equal(serve_with("send", 1, EPIPE, &answers), -EBADMSG);
	assert_int_equal(serve_with("strbuf_reserve", 1, -ENOMEM, &answers), -ENOMEM);
	assert_int_equal(serve_with("strbuf_reserve", 2, -ENOMEM, &answers), -ENOMEM);
}

static void wait_runs_out(unsigned int number, const char *name)
{
	(void)number;
	(void)name;
	(void)raise(SIGTERM);
}

/* An hour has passed; and the guard has something to tell. */
static void between_requests(_unused_ void **state)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	use_signalfd();
	/* Of a machine that was up for less, this is before its start: only differences count. */
	g->self_test_boot_ns = runaway_boot_ns() - 3601 * NSEC_PER_SEC;
	at_step = wait_runs_out; /* the self-test's record is the first step */
	assert_int_equal(runaway_gate_serve(g, fd[1]), 0);
	at_step = NULL;
	assert_int_equal(records_of("self_test"), 1);
	assert_true(g->stop && g->self_test.passed);
	g->stop = false;
	witness_ready = fd[1];
	witnesses = 1;
	close(fd[0]);
	assert_int_equal(runaway_gate_serve(g, fd[1]), 0);
	witness_ready = -1;
	assert_true(g->witness_differs);
	close(fd[1]);
}

static void frames_that_are_interrupted(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	set_fault("send", 1, EINTR);
	assert_int_equal(runaway_gate_send(fd[0], "{}", 2), 0);
	set_fault("read", 1, EINTR);
	assert_int_equal(runaway_gate_receive(fd[1], &b), 0);
	assert_string_equal(b.data, "{}");
	assert_int_equal(runaway_gate_send(fd[0], "{}", 2), 0);
	set_fault("strbuf_reserve", 1, -ENOMEM);
	assert_int_equal(runaway_gate_receive(fd[1], &b), -ENOMEM);
	assert_int_equal(__real_recv(fd[1], (char[2]){ 0 }, 2, 0), 2);
	assert_int_equal(runaway_gate_send(fd[0], "{}", 2), 0);
	set_fault("read", 2, EIO);
	assert_int_equal(runaway_gate_receive(fd[1], &b), -EIO);
	close(fd[0]);
	close(fd[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(synchronised_or_not),
		TEST(unreadable_targets),
		TEST(poll_that_is_interrupted_or_fails),
		TEST(an_own_self_that_cannot_be_read),
		TEST(documents_without_memory),
		TEST(history_without_memory),
		TEST(answers_without_memory),
		TEST(audits_that_cannot_be_read),
		TEST(keys_that_cannot_be_saved),
		TEST(connections_that_fail),
		TEST(between_requests),
		TEST(frames_that_are_interrupted),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}

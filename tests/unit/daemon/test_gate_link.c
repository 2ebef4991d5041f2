/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket to the gate: a program of the test's stands in for it and keeps the protocol, or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "daemon/gate_link.h"

struct fixture {
	char dir[64], program[96];
	int folder;
	struct gate_link *l;
	cJSON *hello;
	unsigned int answers;
	int err;
	char type[32];
};

/* Frames as gate/wire.h has them, by other code than ours. */
#define PEER                                                                                       \
	"#!/usr/bin/env python3\n"                                                                 \
	"import json, os, socket, struct, sys\n"                                                   \
	"s = socket.socket(fileno=3)\n"                                                            \
	"assert os.path.isdir('/proc/self/fd/4')\n"                                                \
	"assert sorted(int(f) for f in os.listdir('/proc/self/fd'))[:5] == [0, 1, 2, 3, 4]\n"      \
	"def exactly(n):\n"                                                                        \
	"    data = b''\n"                                                                         \
	"    while len(data) < n:\n"                                                               \
	"        more = s.recv(n - len(data))\n"                                                   \
	"        if not more: sys.exit(0)\n"                                                       \
	"        data += more\n"                                                                   \
	"    return data\n"                                                                        \
	"def take(): return json.loads(exactly(struct.unpack('>I', exactly(4))[0]))\n"             \
	"def give(o):\n"                                                                           \
	"    t = json.dumps(o).encode()\n"                                                         \
	"    s.sendall(struct.pack('>I', len(t)) + t)\n"                                           \
	"m = take()\n"                                                                             \
	"give({'type': m['type'], 'id': m['id'], 'ok': True, 'label': m['host_label']})\n"

static void start(struct fixture *f, const char *rest)
{
	const struct gate_link_config c = {
		.program = f->program,
		.folder_fd = f->folder,
		.hello = "{\"host_label\":\"ci-7\"}",
		.timeout_s = 60,
	};
	FILE *out = fopen(f->program, "we");

	assert_non_null(out);
	fputs(PEER, out);
	fputs(rest, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(f->program, 0755), 0);
	assert_int_equal(gate_link_start(&c, &f->l, &f->hello), 0);
	assert_string_equal(runaway_json_str(f->hello, "label", ""), "ci-7");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/gate-link.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->program, sizeof(f->program), "%s/gate", f->dir);
	f->folder = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->folder >= 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->l ? gate_link_pid(f->l) : 0;

	gate_link_close(f->l);
	if (pid > 0)
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	cJSON_Delete(f->hello);
	close(f->folder);
	unlink(f->program);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void on_answer(void *ctx, int err, const cJSON *answer)
{
	struct fixture *f = ctx;

	f->answers++;
	f->err = err;
	snprintf(f->type, sizeof(f->type), "%s", runaway_json_str(answer, "type", ""));
}

static void run_until(struct fixture *f, unsigned int answers)
{
	const uint64_t until_ns = runaway_mono_ns() + 60 * NSEC_PER_SEC;

	while (f->answers < answers) {
		struct pollfd p = { .fd = gate_link_fd(f->l), .events = POLLIN };

		poll(&p, 1, 100);
		gate_link_run(f->l);
		assert_true(runaway_mono_ns() < until_ns);
	}
}

static void test_answers_come_in_order(void **state)
{
	struct fixture *f = *state;

	start(f, "while True:\n    m = take()\n"
		 "    give({'type': m['type'], 'id': m['id'], 'ok': True})\n");
	assert_int_equal(gate_link_ask(f->l, "status", NULL, on_answer, f), 0);
	assert_int_equal(gate_link_ask(f->l, "look", "{\"pid\":7}", on_answer, f), 0);
	assert_int_equal(gate_link_waiting(f->l), 2);
	/* Never within the asking itself. */
	assert_int_equal(f->answers, 0);
	run_until(f, 1);
	run_until(f, 2);
	assert_string_equal(f->type, "look");
	assert_int_equal(f->err, 0);
	assert_int_equal(gate_link_waiting(f->l), 0);
	assert_true(gate_link_alive(f->l));
}

static void check_lost(struct fixture *f, int err)
{
	assert_int_equal(gate_link_ask(f->l, "apply", NULL, on_answer, f), 0);
	assert_int_equal(gate_link_ask(f->l, "status", NULL, on_answer, f), 0);
	run_until(f, 2);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->err, err);
	assert_false(gate_link_alive(f->l));
	assert_false(gate_link_run(f->l));
	assert_int_equal(gate_link_ask(f->l, "status", NULL, on_answer, f), -EPIPE);
	assert_int_equal(f->answers, 2);
}

static void test_its_end_answers_all(void **state)
{
	start(*state, "take()\n");
	check_lost(*state, -EPIPE);
}

/* With a request unread: the kernel says so in another way. */
static void test_its_end_in_the_middle_answers_all(void **state)
{
	start(*state, "import select\nselect.select([s], [], [])\n");
	check_lost(*state, -EPIPE);
}

/* None of these is an end: the gate may still be acting, and nobody may say that it did not. */
static void test_an_answer_to_nobody_ends_it(void **state)
{
	start(*state,
	      "take()\ngive({'type': 'apply', 'id': '4711', 'ok': True})\ntake()\ntake()\n");
	check_lost(*state, -EBADMSG);
}

static void test_a_frame_too_long_ends_it(void **state)
{
	start(*state, "take()\ns.sendall(b'\\xff\\xff\\xff\\xff')\ntake()\ntake()\n");
	check_lost(*state, -EMSGSIZE);
}

static void test_an_answer_that_is_no_message_ends_it(void **state)
{
	start(*state, "take()\ngive({'type': 7})\ntake()\ntake()\n");
	check_lost(*state, -EBADMSG);
}

static void test_closing_it_says_nothing_of_its_end(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	start(f, "while True: take()\n");
	pid = gate_link_pid(f->l);
	assert_int_equal(gate_link_ask(f->l, "apply", NULL, on_answer, f), 0);
	gate_link_close(f->l);
	f->l = NULL;
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->err, -ECANCELED);
	/* It ends by it. */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whoever fills it: what is urgent finds room. */
static void test_there_is_room_for_what_is_urgent(void **state)
{
	struct fixture *f = *state;
	unsigned int asked = 0;

	start(f, "while True: take()\n");
	while (gate_link_ask(f->l, "audit", NULL, on_answer, f) == 0)
		asked++;
	assert_int_equal(asked, 56);
	assert_int_equal(gate_link_ask(f->l, "status", NULL, on_answer, f), -ENOMEM);
	for (; gate_link_ask_urgent(f->l, "disarm", NULL, on_answer, f) == 0; asked++)
		;
	assert_int_equal(asked, 64);
	assert_int_equal(gate_link_waiting(f->l), 64);
}

/* The gate reads nothing: neither may what waits to be sent keep it out. */
static void test_there_is_room_in_the_buffer(void **state)
{
	struct fixture *f = *state;
	char *members = malloc(60001);
	unsigned int asked = 0;

	assert_non_null(members);
	memset(members, 'x', 60000);
	memcpy(members, "{\"x\":\"", 6);
	memcpy(members + 59998, "\"}", 3);
	start(f, "import time\nwhile True: time.sleep(1)\n");
	while (gate_link_ask(f->l, "check", members, on_answer, f) == 0)
		asked++;
	assert_in_range(asked, 2, 55);
	assert_int_equal(gate_link_ask_urgent(f->l, "disarm", NULL, on_answer, f), 0);
	/* It does not look for its end either. */
	kill(gate_link_pid(f->l), SIGKILL);
	free(members);
}

static void test_giving_up_ends_it(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	start(f, "while True: take()\n");
	pid = gate_link_pid(f->l);
	assert_int_equal(gate_link_ask(f->l, "apply", NULL, on_answer, f), 0);
	gate_link_give_up(f->l);
	assert_false(gate_link_alive(f->l));
	/* Never within the call that gave up. */
	assert_int_equal(f->answers, 0);
	assert_int_equal(gate_link_ask_urgent(f->l, "disarm", NULL, on_answer, f), -EPIPE);
	gate_link_give_up(f->l);
	run_until(f, 1);
	/* It may be at it still: this is no end. */
	assert_int_equal(f->err, -ECANCELED);
	assert_false(gate_link_run(f->l));
	gate_link_close(f->l);
	f->l = NULL;
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_no_program(void **state)
{
	struct fixture *f = *state;
	const struct gate_link_config c = {
		.program = f->program,
		.folder_fd = f->folder,
		.hello = "{}",
		.timeout_s = 60,
	};

	assert_int_equal(gate_link_start(&c, &f->l, &f->hello), -ENOENT);
	assert_null(f->l);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_come_in_order),
		TEST(test_its_end_answers_all),
		TEST(test_its_end_in_the_middle_answers_all),
		TEST(test_an_answer_to_nobody_ends_it),
		TEST(test_a_frame_too_long_ends_it),
		TEST(test_an_answer_that_is_no_message_ends_it),
		TEST(test_closing_it_says_nothing_of_its_end),
		TEST(test_there_is_room_for_what_is_urgent),
		TEST(test_there_is_room_in_the_buffer),
		TEST(test_giving_up_ends_it),
		TEST(test_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

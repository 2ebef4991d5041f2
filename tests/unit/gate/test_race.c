/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An attacker who is always in time: at each step on the way to a signal the target's pid
 * goes to another process, or the target executes another program, or the gate is killed.
 * RUNAWAY_GATE_TRIES is how often (make soak: 10000); a name as argument runs that test alone.
 */
#include "gate/acting.h"

#include <linux/sched.h>
#include <pthread.h>

/* ---- the pid is given to another process (G2) ---- */

static pid_t victim;	/* the approved target */
static pid_t bystander; /* who has its pid now; 0: it could not be had */

/* The kernel lets root choose a pid, which saves going round all of them. */
static pid_t fork_as(pid_t wanted)
{
	pid_t want[] = { wanted };
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uint64_t)(uintptr_t)want,
				   .set_tid_size = 1 };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void reuse_pid(unsigned int number, const char *name)
{
	(void)name;
	if (number != act_at)
		return;
	end_target(victim);
	counted->ready = 0;
	bystander = fork_as(victim);
	/* Not every thread may have been told that the pid is free: try again. */
	for (int i = 0; i < 1000 && bystander < 0 && errno == EEXIST; i++) {
		usleep(1000);
		bystander = fork_as(victim);
	}
	if (bystander == 0)
		be_target();
	if (bystander > 0)
		await_ready(bystander);
}

static bool may_choose_pids(void)
{
	pid_t pid = fork(), again;

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	again = fork_as(pid);
	if (again == 0)
		_exit(0);
	if (again > 0)
		waitpid(again, NULL, 0);
	return again > 0;
}

static void reused_pids_are_not_signalled(_unused_ void **state)
{
	unsigned int n = tries(140), wrong = 0, reused = 0, reasons[2] = { 0 };

	if (!may_choose_pids())
		skip();
	for (unsigned int i = 0; i < n; i++) {
		char outcome[32], reason[64];

		if (i % 50 == 49)
			restart_gate();
		counted->terms = 0;
		bystander = 0;
		victim = start_target();
		documents_for(victim);
		/* The moment before the request, and then each step up to the signal itself. */
		act_at = i % (STEP_SIGNAL + 1);
		step_number = 0;
		if (act_at == 0)
			reuse_pid(0, "");
		at_step = reuse_pid;
		apply_now(outcome, reason);
		at_step = NULL;
		assert_true(bystander == victim);
		reused++;
		wrong += terms_of(bystander) > 0;
		assert_string_not_equal(outcome, "signalled");
		reasons[0] += strcmp(reason, "target_gone") == 0;
		reasons[1] += strcmp(reason, "target_other_start") == 0;
		end_target(bystander);
	}
	print_message("# pid reused at %u steps: %u tried, %u wrong (gone %u, other start %u)\n",
		      STEP_SIGNAL + 1, reused, wrong, reasons[0], reasons[1]);
	assert_int_equal(wrong, 0);
	assert_int_equal(reasons[0] + reasons[1], n);
	assert_true(reasons[0] > 0);
}

/* ---- the target executes another program (G3) ---- */

static int go[2];

static void *exec_when_told(void *unused)
{
	char byte;

	if (read(0, &byte, 1) == 1)
		(void)execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
	return unused;
}

/* by_thread: not the leader calls exec; it gets the leader's pid and start time by it. */
static void be_changeling(bool by_thread)
{
	pthread_t thread;
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(go[0], 0);
	(void)close_range(3, ~0U, 0);
	if (by_thread && pthread_create(&thread, NULL, exec_when_told, NULL))
		_exit(1);
	counted->ready = getpid();
	if (!by_thread)
		(void)exec_when_told(NULL);
	for (;;)
		pause();
}

/* A program has its arguments last: what tells it apart from another is new by then. */
static bool sleeps(pid_t pid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	return runaway_read_file(AT_FDCWD, path, 4096, &b) == 0 && b.len &&
	       !strcmp(b.data, "sleep");
}

static void swap_program(unsigned int number, const char *name)
{
	(void)name;
	if (number != act_at)
		return;
	assert_int_equal(__real_write(go[1], "x", 1), 1);
	while (!sleeps(victim))
		usleep(50);
}

static void other_programs_are_not_signalled(_unused_ void **state)
{
	unsigned int n = tries(120), wrong = 0;

	for (unsigned int i = 0; i < n; i++) {
		char outcome[32], reason[64];
		int status;

		assert_int_equal(pipe2(go, O_CLOEXEC), 0);
		counted->ready = 0;
		victim = fork();
		if (victim == 0)
			be_changeling(i / STEP_SIGNAL % 2);
		await_ready(victim);
		documents_for(victim);
		/* Up to the last look. What comes between that and the signal only the kernel
		 * can refuse: its guard compares the exec id at the signal itself. */
		act_at = i % STEP_SIGNAL;
		step_number = 0;
		if (act_at == 0)
			swap_program(0, "");
		at_step = swap_program;
		apply_now(outcome, reason);
		at_step = NULL;
		assert_string_equal(reason, "target_other_exec");
		wrong += waitpid(victim, &status, WNOHANG) != 0 ||
			 strcmp(outcome, "signalled") == 0;
		end_target(victim);
		close(go[0]);
		close(go[1]);
	}
	print_message("# program swapped at %u steps, by the leader or another thread: %u tried, "
		      "%u wrong\n",
		      STEP_SIGNAL, n, wrong);
	assert_int_equal(wrong, 0);
}

/* ---- the gate is killed (G8), and started anew (G4) ---- */

static void die(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		(void)raise(SIGKILL);
}

static void apply_and_die(void)
{
	char outcome[32], reason[64];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		at_step = die;
		apply_now(outcome, reason);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What the audit says is what the target knows. */
static void check_truth(size_t intents, size_t results, bool *ret_unknown)
{
	bool intent = records_of("intent") > intents, result = records_of("result") > results;
	unsigned int got = terms_of(victim);

	assert_true(got <= 1);
	if (!intent)
		assert_int_equal(got, 0);
	if (result)
		assert_int_equal(got, 1);
	assert_true(intent || !result);
	*ret_unknown = intent && !result;
}

static void killed_at_every_step(_unused_ void **state)
{
	unsigned int n = tries(110), unknown = 0, sent = 0;
	size_t known_unknown;

	for (unsigned int i = 0; i < n; i++) {
		size_t intents = records_of("intent"), results = records_of("result");
		bool is_unknown;

		/* The chain of one test may not hold more than the history remembers. */
		if (i % 1000 == 999) {
			tear_down_gate();
			set_up_gate();
			g->config.budget_per_hour = UINT32_MAX;
			intents = results = 0;
		}
		counted->terms = 0;
		victim = start_target();
		documents_for(victim);
		known_unknown = runaway_history_unknown(&g->history);
		act_at = 1 + i % (STEPS + 1);
		step_number = 0;
		apply_and_die();
		restart_gate();
		assert_int_equal(g->audit.failed, RUNAWAY_REASON_NONE);
		check_truth(intents, results, &is_unknown);
		assert_int_equal(runaway_history_unknown(&g->history), known_unknown + is_unknown);
		unknown += is_unknown;
		/* Asked again, it does not guess and does not send a second one. */
		if (records_of("intent") > intents) {
			unsigned int before = terms_of(victim);

			assert_applied("not_allowed", "approval_used");
			assert_int_equal(terms_of(victim), before);
		}
		sent += counted->terms;
		end_target(victim);
	}
	print_message(
		"# gate killed at %u steps: %u tried, %u signalled once, %u unknown, 0 twice\n",
		STEPS + 1, n, sent, unknown);
	/* Of 11 steps the last 5 are behind the signal, the last but one before its RESULT. */
	assert_true(unknown > n / 3 && sent > n / 3 && sent < n);
}

/* Two of the same, one behind the other, in one piece. */
static void submitted_twice_at_once(_unused_ void **state)
{
	unsigned int n = tries(50), twice = 0;

	for (unsigned int i = 0; i < n; i++) {
		cJSON *first, *second;

		if (i % 1000 == 999)
			tear_down_gate(), set_up_gate();
		g->config.budget_per_hour = UINT32_MAX;
		counted->terms = 0;
		victim = start_target();
		documents_for(victim);
		first = ask_about("apply");
		second = ask_about("apply");
		assert_true(runaway_json_true(first, "allowed", false));
		assert_string_equal(runaway_json_str(second, "reason", ""), "approval_used");
		twice += terms_of(victim) != 1;
		cJSON_Delete(first);
		cJSON_Delete(second);
		end_target(victim);
	}
	print_message("# submitted twice: %u tried, %u signalled other than once\n", n, twice);
	assert_int_equal(twice, 0);
}

static int start(void **state)
{
	const struct runaway_guard_config c = {
		.cgroup_ssid = -1, .uid = 65534, .gid = 65534, .only = RUNAWAY_GUARD_ONLY_NOTHING
	};

	/* Its children are orphans as far as the kernel is asked. */
	if (share_counts(state) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -1;
	return geteuid() == 0 ? runaway_guard_open(&c, &real_guard) : 0;
}

static int stop(void **state)
{
	(void)state;
	runaway_guard_close(real_guard);
	return 0;
}

static int fresh_unlimited(void **state)
{
	fresh(state);
	g->config.budget_per_hour = UINT32_MAX;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_unlimited, done)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(reused_pids_are_not_signalled),
		TEST(other_programs_are_not_signalled),
		TEST(killed_at_every_step),
		TEST(submitted_twice_at_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}

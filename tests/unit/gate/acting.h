/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_ACTING_H
#define RUNAWAY_TESTS_GATE_ACTING_H

/*
 * A whole authoriser in the test's own process, with a real actuator, a real audit and real
 * targets, children of the test that count what they get. Of the kernel guard only its
 * answers are the test's (identities come from /proc), so that no privilege is needed.
 * Every step on the way to a signal can be made to fail, or to be the moment at which
 * something happens: the steps are wrapped when the test is linked.
 *
 * linked with --wrap: write fsync runaway_real_ns runaway_read_file
 * linked with --wrap: runaway_guard_identify runaway_guard_authorise runaway_guard_revoke
 * linked with --wrap: runaway_guard_witness_next runaway_guard_witness_fd
 * linked with --wrap: runaway_guard_tier runaway_guard_why runaway_guard_enforced
 * linked with --wrap: runaway_guard_self_test runaway_guard_program runaway_actuator_signal
 */

#include "gate/acting_steps.h"

/* ---- targets ---- */

static struct {
	_Atomic unsigned int terms; /* SIGTERM received, by whichever target */
	_Atomic int ready;	    /* pid of the target that is set up */
} *counted;

static _unused_
void on_term(int sig)
{
	(void)sig;
	counted->terms++;
}

static _noreturn_ _unused_
void be_target(void)
{
	struct sigaction sa = { .sa_handler = on_term };
	sigset_t none;

	sigemptyset(&none);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The actuator ends when its connection does: nobody else may hold it. */
	(void)close_range(3, ~0U, 0);
	counted->ready = getpid();
	for (;;)
		pause();
}

static _unused_
void await_ready(pid_t pid)
{
	while (counted->ready != pid)
		usleep(100);
}

static _unused_
pid_t start_target(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		be_target();
	await_ready(pid);
	return pid;
}

static _unused_
void end_target(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What it got is counted when it had the time to count: it is asleep again and nothing waits. */
static _unused_
unsigned int terms_of(pid_t pid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	for (;;) {
		const char *pending;

		if (runaway_read_file(AT_FDCWD, path, 65536, &b) < 0)
			return counted->terms;
		pending = strstr(b.data, "ShdPnd:\t");
		(void)stat_field(pid, 3, &state);
		if (state == 'Z' ||
		    (state == 'S' && pending && strtoull(pending + 8, NULL, 16) == 0))
			return counted->terms;
		usleep(100);
	}
}

/* ---- the authoriser ---- */

static char gate_dir[64];

static _unused_
void set_up_gate(void)
{
	g = calloc(1, sizeof(*g));
	assert_non_null(g);
	*g = (struct runaway_gate){
		.config = { .budget_per_hour = 100,
			    .approval_max_age_s = 3600,
			    .plan_max_age_s = 3600,
			    .window_max_s = 7200,
			    .clock_tolerance_ms = 2000,
			    .two_person = true,
			    .cgroup_ssid = -1 },
		.self = { .daemon_pid = 100, .authoriser_pid = 101, .cgroup_path = "/gate" },
		.audit = { .fd = -1 },
		.actuator = { .fd = -1 },
		.signals = -1,
	};
	SET(g->config.host_label, TEST_HOST);
	SET(g->self.boot_id, TEST_BOOT);
	snprintf(gate_dir, sizeof(gate_dir), "/dev/shm/rw-gate-XXXXXX");
	assert_non_null(mkdtemp(gate_dir));
	g->folder = open(gate_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(runaway_audit_open(g->folder, TEST_BOOT, &g->audit, &g->history), 0);
	assert_int_equal(runaway_actuator_start(&g->actuator, geteuid() ? geteuid() : 65534,
						geteuid() ? getegid() : 65534,
						geteuid() ? 0 : UINT64_C(1) << 5),
			 0);
}

static _unused_
void use_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	g->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* As after the gate's end and a new start: nothing but the audit is left. */
static _unused_
void restart_gate(void)
{
	runaway_audit_close(&g->audit);
	runaway_history_free(&g->history);
	assert_int_equal(runaway_audit_open(g->folder, TEST_BOOT, &g->audit, &g->history), 0);
}

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static _unused_
void tear_down_gate(void)
{
	at_step = NULL;
	fail_write = fail_fsync = 0;
	authorise_answer = RUNAWAY_GUARD_NOT_CHECKED;
	tier = RUNAWAY_GUARD_SECCOMP;
	witnesses = 0;
	real_ns_offset = 0;
	actuator_answer = 0;
	more_flags = 0;
	guard_programs = 0;
	witness = (struct rw_gate_witness){ .hook = RW_GATE_KILL, .reason = RW_GATE_ALLOWED };
	runaway_actuator_stop(&g->actuator);
	runaway_audit_close(&g->audit);
	runaway_history_free(&g->history);
	runaway_glob_list_free(&g->config.protect);
	if (g->signals >= 0)
		close(g->signals);
	close(g->folder);
	free(g);
	g = NULL;
	(void)nftw(gate_dir, remove_path, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- requests ---- */

static struct strbuf plan_text, approval_text;
static unsigned int nonces;

static _unused_
void plan_for(pid_t pid, struct runaway_plan *plan)
{
	struct runaway_seen seen;
	struct runaway_target *t = &plan->target[0];
	int pidfd = -1;

	test_plan(plan);
	plan->created_boot_ns = runaway_boot_ns();
	plan->created_realtime_ns = runaway_real_ns();
	plan->expires_boot_ns = plan->created_boot_ns + 1800 * NSEC_PER_SEC;
	plan->expires_realtime_ns = plan->created_realtime_ns + 1800 * NSEC_PER_SEC;
	assert_int_equal(runaway_look_hold((uint32_t)pid, &pidfd), RUNAWAY_REASON_NONE);
	runaway_look(NULL, "", (uint32_t)pid, pidfd, &seen);
	close(pidfd);
	assert_int_equal(seen.failed, RUNAWAY_REASON_NONE);
	*t = (struct runaway_target){
		.pid = seen.id.tgid,
		.start_ns = seen.id.start_boottime_ns,
		.exec_id = seen.id.exec_id,
		.exe_ino = seen.id.exe_ino,
		.exe_dev = seen.id.exe_dev,
		.cgroup_id = seen.id.cgroup_id,
		.parent_pid = seen.id.parent_tgid,
		.parent_start_ns = seen.id.parent_start_boottime_ns,
	};
	SET(t->args_sha256, seen.args_sha256);
	SET(t->cgroup_path, seen.cgroup_path);
}

static _unused_
void write_documents(const struct runaway_plan *plan)
{
	struct runaway_approval approval;
	char sha[RUNAWAY_SHA256_HEX];

	strbuf_reset(&plan_text);
	strbuf_reset(&approval_text);
	assert_int_equal(runaway_plan_write(plan, &plan_text), 0);
	runaway_sha256_hex(plan_text.data, plan_text.len, sha);
	test_approval(sha, &approval);
	approval.approved_boot_ns = runaway_boot_ns();
	approval.approved_realtime_ns = runaway_real_ns();
	approval.clock_offset_ns =
		(int64_t)(approval.approved_realtime_ns - approval.approved_boot_ns);
	approval.window_start_realtime_ns = approval.approved_realtime_ns - NSEC_PER_SEC;
	approval.window_end_realtime_ns = approval.approved_realtime_ns + 600 * NSEC_PER_SEC;
	approval.deadline_boot_ns = approval.approved_boot_ns + 600 * NSEC_PER_SEC;
	snprintf(approval.nonce, sizeof(approval.nonce), "%d-%u", getpid(), nonces++);
	assert_int_equal(runaway_approval_write(&approval, &approval_text), 0);
}

static _unused_
void documents_for(pid_t pid)
{
	struct runaway_plan *plan = calloc(1, sizeof(*plan));

	assert_non_null(plan);
	plan_for(pid, plan);
	write_documents(plan);
	free(plan);
}

/* The answer to these bytes; caller deletes. */
static _unused_
cJSON *answer_to(const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	const char *answer;
	size_t answer_len, used;
	cJSON *json = NULL;

	runaway_gate_answer(g, text, len, &out);
	assert_int_equal(runaway_gate_frame_next(out.data, out.len, &answer, &answer_len, &used),
			 1);
	assert_int_equal(used, out.len);
	assert_int_equal(runaway_json_parse(answer, answer_len, &json, NULL), 0);
	return json;
}

/* The answer to a message with the present documents; caller deletes. */
static _unused_
cJSON *ask_about(const char *type)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "type", type);
	json_kv_string(&w, "id", "1");
	json_kv_string(&w, "plan", plan_text.data ? plan_text.data : "");
	json_kv_string(&w, "approval", approval_text.data ? approval_text.data : "");
	json_kv_bool(&w, "rule_matches", true);
	json_object_end(&w);
	return answer_to(b.data, b.len);
}

/* "signalled", "gone", "refused", "unknown" of the first target; "not_allowed" before that. */
static _unused_
void apply_now(char outcome[static 32], char reason[static 64])
{
	_cleanup_cjson_ cJSON *answer = ask_about("apply");
	const cJSON *target = cJSON_GetArrayItem(runaway_json_get(answer, "targets"), 0);

	assert_true(runaway_json_true(answer, "ok", false));
	if (runaway_json_true(answer, "allowed", false)) {
		snprintf(outcome, 32, "%s", runaway_json_str(target, "outcome", "?"));
		snprintf(reason, 64, "%s", runaway_json_str(target, "reason", "?"));
	} else {
		snprintf(outcome, 32, "not_allowed");
		snprintf(reason, 64, "%s", runaway_json_str(answer, "reason", "?"));
	}
}

#define assert_applied(outcome_, reason_)                                                          \
	do {                                                                                       \
		char _outcome[32], _reason[64];                                                    \
		apply_now(_outcome, _reason);                                                      \
		assert_string_equal(_outcome, (outcome_));                                         \
		assert_string_equal(_reason, (reason_));                                           \
	} while (0)

/* Records of that type in the audit's file. */
static _unused_
size_t records_of(const char *type)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char word[64];
	size_t n = 0;

	snprintf(word, sizeof(word), "\"type\":\"%s\"", type);
	assert_int_equal(runaway_read_file(g->folder, RUNAWAY_AUDIT_FILE, 1 << 26, &b), 0);
	for (const char *p = b.data; p && (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* How often something is tried: RUNAWAY_GATE_TRIES, or `usual`. */
static _unused_
unsigned int tries(unsigned int usual)
{
	const char *text = getenv("RUNAWAY_GATE_TRIES");

	return text ? (unsigned int)strtoul(text, NULL, 10) : usual;
}

/* ---- a step at which something happens ---- */

/* identify, write, fsync, authorise, identify, signal, signalled, revoke, write, fsync */
#define STEPS	       10
#define STEP_DURABLE   3 /* from here on there is an INTENT */
#define STEP_LAST_LOOK 5
#define STEP_SIGNAL    6
#define STEP_RESULT    10

static _unused_
unsigned int act_at;
static _unused_
pid_t acted_on;

static _unused_
void kill_target(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		end_target(acted_on);
}

/* ---- set-up ---- */

static _unused_
int share_counts(_unused_ void **state)
{
	counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	return counted == MAP_FAILED ? -1 : runaway_digest_init();
}

static _unused_
int fresh(_unused_ void **state)
{
	set_up_gate();
	counted->terms = 0;
	step_number = 0;
	return 0;
}

static _unused_
int done(_unused_ void **state)
{
	tear_down_gate();
	strbuf_free(&plan_text);
	strbuf_free(&approval_text);
	return 0;
}

#endif

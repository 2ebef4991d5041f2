// SPDX-License-Identifier: GPL-2.0-or-later
/* What one authorisation allows, and what many attempts at once do not get. */

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "attack.h"

#define NOISY	  2
#define RACES	  200
#define SETTLE_MS 2000
#define LIFE_NS	  60000000000ULL

/* ---- the witness ---- */

struct seen seen;

void drain(void)
{
	struct rw_gate_witness w;

	while (runaway_guard_witness_next(t.guard, &w) > 0) {
		seen.records++;
		seen.allowed += w.reason == RW_GATE_ALLOWED;
		seen.last = w;
	}
}

bool await_disturbed(const struct victim *v)
{
	for (int ms = 0; ms < SETTLE_MS; ms++) {
		if (victim_disturbed(v))
			return true;
		usleep(1000);
	}
	return false;
}

/* ---- authorised ---- */

static void identify(pid_t pid, struct runaway_guard_target *ret)
{
	struct rw_gate_identity id;
	int r = runaway_guard_identify(t.guard, pid, &id);

	if (r < 0) {
		errno = -r;
		die("identify");
	}
	*ret = (struct runaway_guard_target){
		.tgid = pid,
		.authz = { id.start_boottime_ns, id.exec_id, now_ns(CLOCK_BOOTTIME) + LIFE_NS, 42 },
	};
}

static void authorise(const struct runaway_guard_target *target)
{
	int r = runaway_guard_authorise(t.guard, target);

	if (r) {
		errno = r < 0 ? -r : ENOTSUP;
		die("authorise");
	}
}

static void once(void)
{
	struct runaway_guard_target target;
	struct victim v, other;
	int err[3];

	victim_start(&v, 0, NULL);
	victim_start(&other, 0, NULL);
	identify(v.pid, &target);
	authorise(&target);
	err[0] = attacker_do(&t.attacker, ORDER_TERM, 0, other.pid);
	err[1] = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	err[2] = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	tell(err[0] == EPERM && !victim_disturbed(&other), "authorised/another", "%s",
	     strerror(err[0]));
	await_disturbed(&v);
	tell(err[1] == 0 && v.got[SIGTERM] == 1, "authorised/target", "%s, %u SIGTERM arrived",
	     strerror(err[1]), v.got[SIGTERM]);
	tell(err[2] == EPERM && v.got[SIGTERM] == 1, "authorised/replay", "%s", strerror(err[2]));
	victim_stop(&v);
	victim_stop(&other);
}

static void after_exec(void)
{
	struct runaway_guard_target target;
	struct victim v;
	int err;

	victim_start(&v, 0, NULL);
	identify(v.pid, &target);
	authorise(&target);
	victim_exec(&v);
	err = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	drain();
	tell(err == EPERM && !victim_disturbed(&v) && seen.last.reason == RW_GATE_OTHER_EXEC,
	     "authorised/exec_since", "%s (%s)", strerror(err),
	     runaway_guard_reason_name(seen.last.reason));
	runaway_guard_revoke(t.guard, v.pid);
	victim_stop(&v);
}

static void pid_reused(void)
{
	struct runaway_guard_target target;
	struct victim v;
	pid_t pid;
	int err;

	victim_start(&v, 0, NULL);
	pid = v.pid;
	identify(pid, &target);
	authorise(&target);
	victim_stop(&v);
	victim_start(&v, pid, NULL);
	err = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	drain();
	tell(v.pid == pid && err == EPERM && !victim_disturbed(&v) &&
		     seen.last.reason == RW_GATE_OTHER_START,
	     "authorised/pid_reused", "%s (%s)", strerror(err),
	     runaway_guard_reason_name(seen.last.reason));
	runaway_guard_revoke(t.guard, pid);
	victim_stop(&v);
}

/* Four threads, one authorisation, again and again. */
static void races(void)
{
	struct runaway_guard_target target;
	unsigned int won = 0, wrong = 0;
	uint64_t allowed;
	struct victim v;

	drain();
	allowed = seen.allowed;
	victim_start(&v, 0, NULL);
	identify(v.pid, &target);
	for (int i = 0; i < RACES; i++) {
		int n;

		authorise(&target);
		n = attacker_do(&t.attacker, ORDER_RACE, 0, v.pid);
		won += (unsigned int)n;
		wrong += n != 1;
		drain();
	}
	/* Below T2 a run may be skipped, and with it the refusal: then nothing else may be claimed.
	 */
	tell(!runaway_guard_enforced(t.guard) ||
		     (wrong == 0 && won == RACES && seen.allowed - allowed == RACES),
	     "authorised/race",
	     "%d races of 4 threads: %u signals, %u rounds without exactly one, witness says %llu",
	     RACES, won, wrong, (unsigned long long)(seen.allowed - allowed));
	victim_stop(&v);
}

/* ---- flood ---- */

/*
 * Preempts: sleeps and wakes in an instant, at another priority, and signals its own
 * child meanwhile, so that the guard's programs are under way on this CPU again and again.
 */
static pid_t make_noise(int nice_by)
{
	pid_t pid = fork(), child;

	if (pid)
		return pid;
	limit_life();
	setpriority(PRIO_PROCESS, 0, nice_by);
	child = fork();
	if (child == 0) {
		limit_life();
		for (;;)
			pause();
	}
	for (unsigned int i = 0;; i++) {
		kill(child, 0);
		if (i % 16 == 0)
			usleep(100);
	}
}

static void stop_noise(const pid_t *noise)
{
	for (int i = 0; i < NOISY; i++) {
		char path[64];
		FILE *f;
		int child = 0;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", noise[i], noise[i]);
		f = fopen(path, "re");
		if (f && fscanf(f, "%d", &child) == 1)
			kill(child, SIGKILL);
		if (f)
			fclose(f);
		kill(noise[i], SIGKILL);
		waitpid(noise[i], NULL, 0);
	}
}

static void flood(void)
{
	bool enforced = runaway_guard_enforced(t.guard);
	struct runaway_guard_counts c0, c1;
	pid_t noise[NOISY];
	struct victim v;
	unsigned int got;
	uint64_t start;
	int passed;

	victim_start(&v, 0, victims_cgroup());
	for (int i = 0; i < NOISY; i++)
		noise[i] = make_noise(i % 2 ? -5 : 5);
	runaway_guard_counts(t.guard, &c0);
	start = now_ns(CLOCK_MONOTONIC);
	attacker_order(&t.attacker, ORDER_FLOOD, t.attempts, v.pid);
	while (!attacker_ready(&t.attacker, 1))
		drain();
	passed = attacker_answer(&t.attacker);
	stop_noise(noise);
	drain();
	got = victim_signals(&v);
	runaway_guard_counts(t.guard, &c1);
	tell(!enforced || (passed == 0 && got == 0), "flood",
	     "%d of %u forbidden attempts passed, %u signals arrived, %.1f s; it claims to be "
	     "%s%s; "
	     "%llu runs skipped, %llu denied for want of room",
	     passed, t.attempts, got, (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9,
	     enforced ? "" : "no more than ", runaway_guard_tier_name(runaway_guard_tier(t.guard)),
	     (unsigned long long)(c1.recursion_misses - c0.recursion_misses),
	     (unsigned long long)(c1.hooks[RW_GATE_KILL].no_room - c0.hooks[RW_GATE_KILL].no_room));
	victim_stop(&v);
}

/* Nobody reads the witness ring: when it is full, even what is authorised is refused. */
static void unread(void)
{
	struct runaway_guard_target target;
	struct victim v;
	int full, read;

	victim_start(&v, 0, NULL);
	identify(v.pid, &target);
	attacker_do(&t.attacker, ORDER_FLOOD, 3000, v.pid);
	authorise(&target);
	full = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	drain();
	read = attacker_do(&t.attacker, ORDER_TERM, 0, v.pid);
	tell(full == EPERM && read == 0, "witness/full",
	     "while it is full: %s; once it is read: %s", strerrorname_np(full),
	     strerrorname_np(read));
	drain();
	victim_stop(&v);
}

void trials(void)
{
	once();
	after_exec();
	pid_reused();
	races();
	flood();
	unread();
}

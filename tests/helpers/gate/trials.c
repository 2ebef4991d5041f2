// SPDX-License-Identifier: GPL-2.0-or-later
/* What one authorisation allows, and what many attempts at once do not get. */

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "attack.h"

#define NOISY	  2
#define BATCH	  504 /* attempts, each of the nine ways as often; the ring has room for twice that */
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

/* What a flood was, and what the kernel's own books say that it was. */
struct flood {
	unsigned int tried, passed, other;
	int other_err;
	unsigned int expected[RW_GATE_HOOKS];
	struct runaway_guard_counts before, after;
};

/* In batches that the witness ring has room for, so that each refusal is decided by the rules. */
static void make_flood(struct flood *f, pid_t victim)
{
	while (f->tried < t.attempts) {
		unsigned int left = t.attempts - f->tried, n = left < BATCH ? left : BATCH;
		struct answer a;

		attacker_order(&t.attacker, ORDER_FLOOD, n, victim);
		a = attacker_answer(&t.attacker);
		drain();
		for (unsigned int i = 0; i < n; i++)
			f->expected[flood_hooks[i % FLOOD_WAYS]]++;
		f->tried += n;
		f->passed += (unsigned int)a.err;
		f->other += a.other;
		if (a.other)
			f->other_err = a.other_err;
	}
}

/* Each attempt was refused by the hook that it went for, and by nobody before it. */
static bool in_the_books(const struct flood *f, uint64_t *ret_denied, uint64_t *ret_no_room)
{
	bool all = true;

	*ret_denied = *ret_no_room = 0;
	for (int i = 0; i < RW_GATE_HOOKS; i++) {
		uint64_t denied = f->after.hooks[i].denied - f->before.hooks[i].denied;

		all = all && denied == f->expected[i];
		*ret_denied += denied;
		*ret_no_room += f->after.hooks[i].no_room - f->before.hooks[i].no_room;
	}
	return all && *ret_no_room == 0;
}

static void tell_flood(const struct flood *f, const struct victim *v, double seconds)
{
	bool enforced = runaway_guard_enforced(t.guard), unhurt = !victim_disturbed(v), books;
	uint64_t denied, no_room;

	books = in_the_books(f, &denied, &no_room);
	tell(f->other == 0 && (!enforced || (f->passed == 0 && unhurt && books)), "flood",
	     "%u of %u forbidden attempts passed, %u signals arrived, by %s, %.1f s; it claims to "
	     "be %s%s; the victim is %s; %llu denied by the guard, %llu for want of room, "
	     "%llu runs skipped; %u failed otherwise%s%s",
	     f->passed, f->tried, victim_signals(v), t.by_cgroup ? "cgroup" : "pid", seconds,
	     enforced ? "" : "no more than ", runaway_guard_tier_name(runaway_guard_tier(t.guard)),
	     unhurt ? "as before" : "not as before", (unsigned long long)denied,
	     (unsigned long long)no_room,
	     (unsigned long long)(f->after.recursion_misses - f->before.recursion_misses), f->other,
	     f->other ? ": " : "", f->other ? strerror(f->other_err) : "");
}

static void flood(void)
{
	struct flood f = { 0 };
	pid_t noise[NOISY];
	struct victim v;
	uint64_t start;

	victim_start(&v, 0, victims_cgroup());
	for (int i = 0; i < NOISY; i++)
		noise[i] = make_noise(i % 2 ? -5 : 5);
	runaway_guard_counts(t.guard, &f.before);
	start = now_ns(CLOCK_MONOTONIC);
	make_flood(&f, v.pid);
	stop_noise(noise);
	runaway_guard_counts(t.guard, &f.after);
	tell_flood(&f, &v, (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate's own state: is it open at all? */
#include <fcntl.h>
#include <string.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "gate/state.h"

#define REASON(id) RUNAWAY_REASON_##id

/* What cannot be looked at may be there. */
bool runaway_gate_disarm_file(const struct runaway_gate *g)
{
	struct stat st;

	return fstatat(g->folder, RUNAWAY_DISARM_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

static void write_disarm(struct runaway_gate *g, const char *by, const char *why)
{
	struct runaway_record r;
	uint64_t seq;

	runaway_audit_begin(&g->audit, "disarm", &r);
	/* Both may be the words of a daemon that was taken over: a record has its bounds. */
	json_key(&r.w, "by");
	json_string_n(&r.w, by, strnlen(by, RUNAWAY_SENTENCE));
	json_key(&r.w, "why");
	json_string_n(&r.w, why, strnlen(why, RUNAWAY_SENTENCE));
	seq = r.seq;
	(void)runaway_audit_commit(&g->audit, &r);
	g->audit.disarm_seq = seq;
	snprintf(g->audit.disarmed_by, sizeof(g->audit.disarmed_by), "%s", by);
}

/*
 * Whoever made the file can take it away again; that the gate is armed again is an owner's
 * word all the same. So a file that was seen is a disarming like any other.
 */
static bool is_disarmed(struct runaway_gate *g)
{
	if (g->audit.disarm_seq == 0 && runaway_gate_disarm_file(g))
		write_disarm(g, "file", "`" RUNAWAY_DISARM_FILE "` in the gate's folder");
	return g->audit.disarm_seq != 0;
}

enum runaway_reason runaway_gate_closed(struct runaway_gate *g)
{
	enum runaway_guard_tier tier = runaway_guard_tier(g->guard);

	if (g->audit.failed != REASON(NONE))
		return g->audit.failed;
	if (is_disarmed(g))
		return REASON(DISARMED);
	if (g->witness_differs)
		return REASON(WITNESS_MISMATCH);
	if (tier == RUNAWAY_GUARD_NONE)
		return REASON(NOT_CONFINED);
	if (g->config.require_kernel_guard && tier != RUNAWAY_GUARD_LSM)
		return REASON(GUARD_MISSING);
	if (!runaway_actuator_alive(&g->actuator))
		return REASON(ACTUATOR_GONE);
	return REASON(NONE);
}

enum runaway_reason runaway_gate_disarm(struct runaway_gate *g, const char *by, const char *why)
{
	if (g->audit.disarm_seq == 0)
		write_disarm(g, by, why);
	/* Of a number behind the newest record nothing was written. */
	return g->audit.disarm_seq > g->audit.seq ? REASON(DISARM_NOT_DURABLE) : REASON(NONE);
}

void runaway_gate_take_signals(struct runaway_gate *g)
{
	struct signalfd_siginfo s;

	while (read(g->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGUSR2)
			(void)runaway_gate_disarm(g, "SIGUSR2", "");
		else
			g->stop = true;
	}
}

/* A SIGTERM that the kernel let through: the authorisation that it quotes, and whom it met, are
 * those of an INTENT, or it is none of ours. */
static void take_witness(struct runaway_gate *g, const struct rw_gate_witness *w)
{
	g->witnessed++;
	if (!runaway_history_is_of(&g->history, w->nonce, w->target_tgid,
				   w->target_start_boottime_ns))
		g->witness_differs = true;
}

void runaway_gate_drain(struct runaway_gate *g)
{
	struct rw_gate_witness w;

	while (runaway_guard_witness_next(g->guard, &w) > 0) {
		if (w.reason != RW_GATE_ALLOWED)
			g->kernel_denied++;
		else if (w.hook == RW_GATE_KILL)
			take_witness(g, &w);
	}
}

void runaway_gate_reconcile(struct runaway_gate *g)
{
	runaway_gate_drain(g);
	if (g->witnessed != g->sent_under_guard)
		g->witness_differs = true;
}

void runaway_gate_self_test(struct runaway_gate *g)
{
	struct runaway_record r;

	(void)runaway_guard_self_test(g->guard, &g->self_test);
	g->self_test_boot_ns = runaway_boot_ns();
	g->self_test_real_ns = runaway_real_ns();
	runaway_audit_begin(&g->audit, "self_test", &r);
	json_kv_string(&r.w, "tier", runaway_guard_tier_code(runaway_guard_tier(g->guard)));
	json_kv_bool(&r.w, "passed", g->self_test.passed);
	json_kv_uint(&r.w, "outcomes", g->self_test.n);
	json_kv_string(&r.w, "why", runaway_guard_why(g->guard));
	(void)runaway_audit_commit(&g->audit, &r);
}

int runaway_gate_record_start(struct runaway_gate *g)
{
	struct runaway_record r;

	/* Of a broken chain nothing is the end: nothing is written behind it. */
	if (g->audit.failed != REASON(NONE))
		return 0;
	runaway_audit_begin(&g->audit, "start", &r);
	json_kv_string(&r.w, "version", RUNAWAY_VERSION);
	json_kv_string(&r.w, "host_label", g->config.host_label);
	json_kv_string(&r.w, "tier", runaway_guard_tier_code(runaway_guard_tier(g->guard)));
	json_kv_uint(&r.w, "keys", g->config.key_count);
	json_kv_bool(&r.w, "require_signature", g->config.require_signature);
	json_kv_bool(&r.w, "two_person", g->config.two_person);
	json_kv_bool(&r.w, "require_kernel_guard", g->config.require_kernel_guard);
	json_kv_uint(&r.w, "unknown", runaway_history_unknown(&g->history));
	json_kv_u64_string(&r.w, "torn_lines", g->audit.torn_lines);
	return runaway_audit_commit(&g->audit, &r);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The live proof: everything that must fail is tried, and the one thing that must not. */

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/guard_priv.h"

#define DELIVERY_MS	      2000 /* a signal that was allowed arrives within this */
#define TEST_LIFE_NS	      (60 * NSEC_PER_SEC)	 /* of the authorisations made here */
#define TEST_NONCE	      UINT64_C(0x72772d74657374) /* "rw-test": never an approval's */
#define WAY(name, what, hook) { name, what, 0, AUTHZ_NONE, EPERM, hook, RW_GATE_ROUTE_CLOSED }

/*
 * What does no harm where nothing is enforced comes first, for the first wrong outcome
 * ends the test: a victim is not killed to learn that it can be.
 */
const struct guard_attempt guard_attempts[] = {
	{ "sigusr1", GUARD_TRY_PIDFD, SIGUSR1, AUTHZ_NONE, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_SIGTERM },
	{ "sig_0", GUARD_TRY_PIDFD, 0, AUTHZ_RIGHT, EPERM, RW_GATE_KILL, RW_GATE_NOT_SIGTERM },
	{ "unauthorised", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_NONE, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_AUTHORISED },
	{ "other_start", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_START, EPERM, RW_GATE_KILL,
	  RW_GATE_OTHER_START },
	{ "other_exec", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_EXEC, EPERM, RW_GATE_KILL,
	  RW_GATE_OTHER_EXEC },
	{ "too_late", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_LATE, EPERM, RW_GATE_KILL, RW_GATE_TOO_LATE },
	{ "sigqueue", GUARD_TRY_QUEUE, SIGTERM, AUTHZ_RIGHT, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_PLAIN },
	{ "tgkill", GUARD_TRY_TGKILL, SIGTERM, AUTHZ_RIGHT, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_PLAIN },
	{ "sigkill", GUARD_TRY_PIDFD, SIGKILL, AUTHZ_RIGHT, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_SIGTERM },
	{ "authorised", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_RIGHT, 0, RW_GATE_KILL, RW_GATE_ALLOWED },
	{ "replay", GUARD_TRY_PIDFD, SIGTERM, AUTHZ_NONE, EPERM, RW_GATE_KILL,
	  RW_GATE_NOT_AUTHORISED },
	WAY("fork", GUARD_TRY_FORK, RW_GATE_FORK),
	WAY("exec", GUARD_TRY_EXEC, RW_GATE_EXEC),
	WAY("f_setown", GUARD_TRY_SETOWN, RW_GATE_FCNTL),
	WAY("fiosetown", GUARD_TRY_IOCTL, RW_GATE_IOCTL),
	WAY("ptrace", GUARD_TRY_PTRACE, RW_GATE_PTRACE),
	WAY("open", GUARD_TRY_OPEN, RW_GATE_OPEN),
	WAY("prlimit", GUARD_TRY_RLIMIT, RW_GATE_RLIMIT),
	WAY("bpf", GUARD_TRY_BPF, RW_GATE_BPF),
	WAY("perf_event", GUARD_TRY_PERF, RW_GATE_PERF),
};
const size_t guard_attempts_n = ARRAY_SIZE(guard_attempts);
static_assert(ARRAY_SIZE(guard_attempts) <= RUNAWAY_GUARD_OUTCOMES, "the report holds them all");

static bool reached(const struct guard_attempt *a, const struct guard_seen *s)
{
	return s->others || s->terms != (a->reason == RW_GATE_ALLOWED ? 1 : 0);
}

/*
 * A way round may be closed by somebody before the guard (another LSM, file modes): then
 * there is no record, and it is closed all the same. A signal is decided by the
 * guard alone, so its record must be there: a program that is never run writes none.
 */
const char *guard_judge(const struct guard_attempt *a, const struct guard_seen *s, pid_t victim)
{
	bool way = a->hook != RW_GATE_KILL;

	if (a->expected_err == 0 && s->err != 0)
		return "was refused";
	if (a->expected_err != 0 && s->err == 0)
		return "was allowed";
	if (a->expected_err != s->err && !(way && s->err == EACCES))
		return "failed otherwise";
	if (reached(a, s))
		return a->reason == RW_GATE_ALLOWED ? "did not arrive once" : "was delivered";
	if (way && s->probes == 0)
		return NULL;
	if (s->probes != 1)
		return s->probes ? "was decided twice" : "was not decided by the guard";
	if (s->probe.hook != a->hook || s->probe.reason != a->reason)
		return "was decided for another reason";
	if (!way && ((pid_t)s->probe.target_tgid != victim || s->probe.detail != a->sig))
		return "was decided for another target";
	return NULL;
}

static int authorise(struct runaway_guard *g, const struct guard_attempt *a,
		     const struct rw_gate_identity *id)
{
	uint64_t now = runaway_boot_ns();
	struct runaway_guard_target t = {
		.tgid = g->pair.victim,
		.authz = { id->start_boottime_ns, id->exec_id, now + TEST_LIFE_NS, TEST_NONCE },
	};

	if (a->authz == AUTHZ_NONE)
		return 0;
	if (a->authz == AUTHZ_START)
		t.authz.start_boottime_ns--;
	if (a->authz == AUTHZ_EXEC)
		t.authz.exec_id++;
	if (a->authz == AUTHZ_LATE)
		t.authz.deadline_boot_ns = now - 1;
	return runaway_guard_authorise(g, &t);
}

/* Until the victim's handler has run; a refused one is not waited for. */
static void await_delivery(const struct guard_pair *p, uint32_t terms)
{
	uint64_t end = runaway_mono_ns() + DELIVERY_MS * NSEC_PER_MSEC;

	while (atomic_load(&p->shared->terms) == terms && runaway_mono_ns() < end)
		poll(NULL, 0, 1);
}

static int try_one(struct runaway_guard *g, const struct guard_attempt *a,
		   const struct rw_gate_identity *id, struct guard_seen *ret)
{
	uint32_t terms = atomic_load(&g->pair.shared->terms);
	uint32_t others = atomic_load(&g->pair.shared->others);
	struct guard_seen s = { 0 };
	int r = authorise(g, a, id);

	if (r < 0)
		return r;
	g->probes = 0;
	r = guard_pair_try(&g->pair, a->what, a->sig, &s.err);
	runaway_guard_revoke(g, g->pair.victim);
	if (r < 0)
		return r;
	if (s.err == 0 && a->reason == RW_GATE_ALLOWED)
		await_delivery(&g->pair, terms);
	r = guard_witness_drain(g);
	if (r < 0)
		return r;
	s.probes = g->probes;
	s.probe = g->probe;
	s.terms = atomic_load(&g->pair.shared->terms) - terms;
	s.others = atomic_load(&g->pair.shared->others) - others;
	*ret = s;
	return 0;
}

static const char *what_went_wrong(int r)
{
	switch (r) {
	case -EIO:
		return "the prober does not answer";
	case -ESRCH:
		return "the victim is gone";
	case -ENOBUFS:
		return "the witness ring was not read";
	default:
		return runaway_strerror(r);
	}
}

int guard_self_test_run(struct runaway_guard *g, struct runaway_guard_report *r)
{
	struct rw_gate_identity id;
	struct guard_seen s = { 0 };
	const char *wrong;
	int e = runaway_guard_identify(g, g->pair.victim, &id);

	*r = (struct runaway_guard_report){ 0 };
	for (size_t i = 0; i < guard_attempts_n && e == 0; i++) {
		const struct guard_attempt *a = &guard_attempts[i];

		e = try_one(g, a, &id, &s);
		if (e < 0)
			break;
		wrong = guard_judge(a, &s, g->pair.victim);
		r->outcomes[r->n++] =
			(struct runaway_guard_outcome){ a->name, a->expected_err, s.err, !wrong };
		if (wrong) {
			snprintf(r->why, sizeof(r->why), "%s %s", a->name, wrong);
			return 0;
		}
	}
	if (e < 0) {
		snprintf(r->why, sizeof(r->why), "%s", what_went_wrong(e));
		return e;
	}
	r->passed = true;
	return 0;
}

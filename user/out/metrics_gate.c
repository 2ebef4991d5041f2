/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate: whether it could act, what it was asked, what it refused, what came of it. */
#include "out/metrics_writer.h"

/* A rate of a handful misleads: below it is absent, and the number of samples says why. */
#define SAMPLES_MIN 10
#define WINDOW_NS   (UINT64_C(24) * 3600 * NSEC_PER_SEC)

static const struct runaway_gate_view *gate(const struct exposition *e)
{
	return &e->view->runtime->gate;
}

static void write_enabled(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->enabled, NULL);
}

static void write_armed(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->armed, NULL);
}

static void write_enforced(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->alive && gate(e)->enforced, NULL);
}

static void write_authorized(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->authorized, NULL);
}

static void write_requests(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->requests, NULL);
}

static void write_refusals(struct exposition *e)
{
	for (enum runaway_reason r = RUNAWAY_REASON_NONE + 1; r < RUNAWAY_REASON_COUNT; r++)
		runaway_metrics_u64(e, gate(e)->refusals[r] + gate(e)->refused_here[r], "reason",
				    runaway_reason_name(r), NULL);
}

static void write_signals(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->signals, "signal", "SIGTERM", NULL);
}

static void write_misses(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->recursion_misses, NULL);
}

static void write_audit_seq(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->audit_seq, NULL);
}

static void write_dropped(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->signals_dropped, NULL);
}

static void write_unwatched(struct exposition *e)
{
	runaway_metrics_u64(e, gate(e)->signals_unwatched, NULL);
}

static void write_lane_attempts(struct exposition *e, const struct lane *l)
{
	runaway_metrics_u64(e, runaway_store_attempts_total(e->view->store, l->lane_id), "lane",
			    l->lane_id, NULL);
}

static void write_attempts(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_attempts);
}

static void write_lane_successes(struct exposition *e, const struct lane *l)
{
	runaway_metrics_u64(e,
			    runaway_store_resolved_total(e->view->store, l->lane_id, "remediated"),
			    "lane", l->lane_id, NULL);
}

static void write_successes(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_successes);
}

static void remediations(const struct exposition *e, size_t *ret_judged, size_t *ret_succeeded)
{
	uint64_t now_ns = runaway_model_realtime(e->view->model, runaway_model_now(e->view->model));

	runaway_store_remediations(e->view->store, now_ns > WINDOW_NS ? now_ns - WINDOW_NS : 0,
				   ret_judged, ret_succeeded);
}

static void write_samples(struct exposition *e)
{
	size_t judged, succeeded;

	remediations(e, &judged, &succeeded);
	runaway_metrics_u64(e, judged, NULL);
}

static void write_ratio(struct exposition *e)
{
	size_t judged, succeeded;

	remediations(e, &judged, &succeeded);
	if (judged >= SAMPLES_MIN)
		runaway_metrics_double(e, (double)succeeded / (double)judged, NULL);
}

const struct metrics_family runaway_metrics_gate[] = {
	{ "runaway_gate_enabled", METRICS_GAUGE, "1 when the signal gate is switched on.",
	  write_enabled },
	{ "runaway_gate_armed", METRICS_GAUGE,
	  "1 when nothing keeps the gate from acting on a valid approval.", write_armed },
	{ "runaway_gate_kernel_enforced", METRICS_GAUGE,
	  "1 when the kernel itself refuses every signal but the gate's.", write_enforced },
	{ "runaway_remediations_authorized", METRICS_GAUGE,
	  "Approved plans whose maintenance window is open now.", write_authorized },
	{ "runaway_gate_requests_total", METRICS_COUNTER, "Requests made to the gate.",
	  write_requests },
	{ "runaway_gate_refusals_total", METRICS_COUNTER,
	  "Refusals on the way to a signal, by reason.", write_refusals },
	{ "runaway_gate_signals_total", METRICS_COUNTER, "Signals sent by the gate.",
	  write_signals },
	{ "runaway_gate_guard_misses_total", METRICS_COUNTER,
	  "Runs of the gate's kernel guard that the kernel skipped.", write_misses },
	{ "runaway_gate_audit_seq", METRICS_GAUGE,
	  "Number of the newest record of the gate's audit; it never falls.", write_audit_seq },
	{ "runaway_signals_dropped_total", METRICS_COUNTER,
	  "Signals to the processes of open incidents that were seen and not noted.",
	  write_dropped },
	{ "runaway_signals_unwatched_processes", METRICS_GAUGE,
	  "Processes of open incidents that are too many to be watched for signals.",
	  write_unwatched },
	{ "runaway_remediation_attempts_total", METRICS_COUNTER,
	  "Remediations in which the gate signalled, or may have.", write_attempts },
	{ "runaway_remediation_successes_total", METRICS_COUNTER,
	  "Remediations whose post-check passed.", write_successes },
	{ "runaway_remediation_samples", METRICS_GAUGE,
	  "Judged remediations of the last 24 hours; the success ratio is absent below ten.",
	  write_samples },
	{ "runaway_remediation_success_ratio", METRICS_GAUGE,
	  "Share of the judged remediations of the last 24 hours whose post-check passed.",
	  write_ratio },
	{ 0 },
};

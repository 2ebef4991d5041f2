/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate's state in words, for every sink alike. */
#include "out/view.h"

#include <string.h>

uint64_t runaway_gate_view_refused(const struct runaway_gate_view *g)
{
	uint64_t sum = 0;

	for (size_t r = 0; r < RUNAWAY_REASON_COUNT; r++)
		sum += g->refusals[r] + g->refused_here[r];
	return sum;
}

const char *runaway_gate_view_guard(const struct runaway_gate_view *g)
{
	static const struct {
		const char *tier, *guard;
	} guards[] = {
		{ "T1", "lsm" }, { "T2", "fmod_ret" }, { "T3", "fmod_ret" }, { "T4", "seccomp" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(guards); i++)
		if (g->alive && strcmp(g->tier, guards[i].tier) == 0)
			return guards[i].guard;
	return "none";
}

void runaway_gate_view_write(const struct runaway_gate_view *g, struct json_writer *w)
{
	json_kv_bool(w, "enabled", g->enabled);
	json_kv_bool(w, "alive", g->alive);
	json_kv_bool(w, "armed", g->armed);
	json_kv_bool(w, "disarmed", g->disarmed);
	json_kv_bool(w, "kernel_enforced", g->enforced);
	json_kv_string(w, "tier", g->tier[0] ? g->tier : NULL);
	json_kv_string(w, "tier_name", g->tier_name[0] ? g->tier_name : NULL);
	json_kv_string(w, "why", g->why[0] ? g->why : NULL);
	json_kv_uint(w, "requests", g->requests);
	json_kv_uint(w, "refusals", runaway_gate_view_refused(g));
	json_kv_uint(w, "signals", g->signals);
	json_kv_uint(w, "recursion_misses", g->recursion_misses);
	json_kv_uint(w, "authorized", g->authorized);
	json_kv_u64_string(w, "audit_seq", g->audit_seq);
	json_kv_uint(w, "signals_dropped", g->signals_dropped);
	json_kv_uint(w, "signals_unwatched", g->signals_unwatched);
}

static const char *state_of(const struct runaway_gate_view *g)
{
	if (!g->enabled)
		return "disabled";
	if (!g->alive)
		return "not running";
	if (g->disarmed)
		return "disarmed";
	return g->armed ? "armed" : "not armed";
}

void runaway_gate_view_say(const struct runaway_gate_view *g, struct strbuf *b)
{
	strbuf_adds(b, state_of(g));
	if (g->alive)
		strbuf_addf(b, ", %s (%s)", g->tier, g->tier_name);
	if (g->why[0])
		strbuf_addf(b, ": %s", g->why);
	if (g->recursion_misses)
		strbuf_addf(b, "; the kernel skipped %llu runs of the guard's programs",
			    (unsigned long long)g->recursion_misses);
}

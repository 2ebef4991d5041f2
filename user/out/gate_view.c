/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate's state in words, for every sink alike. */
#include "out/view.h"

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
	json_kv_uint(w, "signals", g->signals);
	json_kv_uint(w, "authorized", g->authorized);
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
}

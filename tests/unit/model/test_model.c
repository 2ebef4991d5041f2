/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model's life and its door: lengths, unknown types, and any bytes at all. */

#include "model/harness.h"

static const uint16_t all_types[] = {
	RW_FORK,     RW_EXEC, RW_EXIT,	 RW_CHILDREN,	RW_REPARENT, RW_CGROUP,
	RW_TASK,     RW_CPU,  RW_FREE,	 RW_META,	RW_TICK,     RW_SCAN_BEGIN,
	RW_SCAN_END, RW_HOST, RW_PROCFS, RW_CGROUP_CPU, RW_LOSS,
};

static void test_every_type_refuses_short_records(void **state)
{
	struct world w;
	union {
		struct rw_hdr hdr;
		struct rw_cgroup_ev ev;
		char room[4096];
	} u;

	(void)state;
	world_new(&w);
	for (size_t t = 0; t < ARRAY_SIZE(all_types); t++) {
		uint64_t before = runaway_model_counters(w.m)->malformed;

		for (size_t len = 0; len < sizeof(struct rw_hdr) + 8; len++) {
			memset(&u, 0xff, sizeof(u));
			u.hdr = (struct rw_hdr){ .type = all_types[t], .len = (uint32_t)len };
			assert_int_equal(runaway_model_apply(w.m, &u.hdr, len), -EBADMSG);
		}
		assert_int_equal(runaway_model_counters(w.m)->malformed - before,
				 sizeof(struct rw_hdr) + 8);
	}
	assert_int_equal(runaway_model_living(w.m), 0);
	world_free(&w);
}

static void test_unknown_types_are_refused(void **state)
{
	struct world w;
	struct rw_task r = { .hdr = { .len = sizeof(r) } };
	static const uint16_t types[] = { 0, 7, 15, 19, 24, 63, 72, 127, 128, 1000, 65535 };

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		r.hdr.type = types[i];
		assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), -EBADMSG);
	}
	world_free(&w);
}

static void test_a_length_beyond_the_bytes_is_refused(void **state)
{
	struct world w;
	struct rw_exit r = { .hdr = { .type = RW_EXIT, .len = sizeof(r) + 1 }, .id.pid = 4 };

	(void)state;
	world_new(&w);
	assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), -EBADMSG);
	world_free(&w);
}

static void test_inner_lengths_are_checked(void **state)
{
	struct world w;
	struct rw_exec e = { .hdr = { .type = RW_EXEC, .len = sizeof(e) },
			     .id = rw_id(4),
			     .path_len = 1 };
	struct rw_task t = { .hdr = { .type = RW_TASK, .len = sizeof(t) },
			     .id = rw_id(4),
			     .path_len = 1 };
	struct rw_procfs p = { .hdr = { .type = RW_PROCFS, .len = sizeof(p) },
			       .id = rw_id(4),
			       .what = RW_PROCFS_ARGS,
			       .bytes = UINT32_MAX };
	struct rw_children c = { .hdr = { .type = RW_CHILDREN,
					  .len = offsetof(struct rw_children, child) },
				 .parent = rw_id(4),
				 .count = 1 };
	struct rw_cgroup_ev g = { .hdr = { .type = RW_CGROUP, .len = sizeof(g) },
				  .cgroup_id = 3,
				  .op = RW_CG_MKDIR,
				  .path_len = RW_PATH_MAX + 1 };

	(void)state;
	world_new(&w);
	assert_int_equal(runaway_model_apply(w.m, &e.hdr, sizeof(e)), -EBADMSG);
	assert_int_equal(runaway_model_apply(w.m, &t.hdr, sizeof(t)), -EBADMSG);
	assert_int_equal(runaway_model_apply(w.m, &p.hdr, sizeof(p)), -EBADMSG);
	assert_int_equal(runaway_model_apply(w.m, &c.hdr, c.hdr.len), -EBADMSG);
	c.count = UINT32_MAX;
	c.hdr.len = sizeof(c);
	assert_int_equal(runaway_model_apply(w.m, &c.hdr, sizeof(c)), -EBADMSG);
	assert_int_equal(runaway_model_apply(w.m, &g.hdr, sizeof(g)), -EBADMSG);
	g.path_len = 4;
	memcpy(g.path, "/abc", 4); /* no NUL within its length */
	assert_int_equal(runaway_model_apply(w.m, &g.hdr, sizeof(g)), -EBADMSG);
	assert_int_equal(runaway_model_counters(w.m)->malformed, 7);
	assert_int_equal(runaway_model_living(w.m), 0);
	world_free(&w);
}

static void test_pid_zero_is_nobody(void **state)
{
	struct world w;
	struct rw_exit r = { .hdr = { .type = RW_EXIT, .len = sizeof(r) } };

	(void)state;
	world_new(&w);
	assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), -EBADMSG);
	world_free(&w);
}

static void test_time_and_meta(void **state)
{
	struct world w;
	struct rw_meta r = { .hdr = { .type = RW_META, .len = sizeof(r), .time_ns = 5 * SEC },
			     .realtime_offset_ns = 1000 * SEC };

	(void)state;
	memset(r.host, 'h', sizeof(r.host)); /* not terminated */
	world_new(&w);
	FEED(&w, r);
	assert_int_equal(runaway_model_now(w.m), 5 * SEC);
	assert_int_equal(runaway_model_realtime(w.m, 0), 0);
	assert_int_equal(runaway_model_realtime(w.m, SEC), 1001 * SEC);
	assert_int_equal(strlen(runaway_model_meta(w.m)->host), sizeof(r.host) - 1);
	/* An older record does not turn time back. */
	r.hdr.time_ns = SEC;
	FEED(&w, r);
	assert_int_equal(runaway_model_now(w.m), 5 * SEC);
	world_free(&w);
}

static void test_configure_replaces_lists(void **state)
{
	static const char *const mine[] = { "mydaemon*", "/opt/d/*", NULL };
	struct runaway_model_config c = { .limits = { 10, 10, 1 }, .by_design = mine };
	struct world w;

	(void)state;
	world_new(&w);
	forks(&w, 1, 2, "mydaemon-x");
	assert_false(runaway_proc_by_design_listed(w.m, find(&w, 2)));
	assert_int_equal(runaway_model_configure(w.m, &c), 0);
	assert_true(runaway_proc_by_design_listed(w.m, find(&w, 2)));
	c.by_design = NULL;
	assert_int_equal(runaway_model_configure(w.m, &c), 0);
	assert_false(runaway_proc_by_design_listed(w.m, find(&w, 2)));
	world_free(&w);
}

/* ---- any bytes at all ---- */
static uint64_t rng_state;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

union any {
	struct rw_hdr hdr;
	struct rw_exit id;
	struct rw_reparent move;
	struct rw_fork fork;
	struct rw_task task;
	struct rw_exec exec;
	struct rw_cgroup_ev cg;
	struct rw_scan scan;
	uint64_t word[160];
	unsigned char byte[1280];
};

/* Few pids and few start times, so that records meet each other. */
static void plausible(union any *u, uint64_t now)
{
	u->hdr.type = all_types[rng() % ARRAY_SIZE(all_types)];
	u->hdr.len = sizeof(*u);
	u->hdr.time_ns = now - rng() % (2 * SEC);
	for (size_t i = 3; i < 12; i += 2) {
		u->word[i] = rng() % 3 + 1;
		u->word[i + 1] = rng() % 40;
	}
	if (u->hdr.type == RW_EXEC) {
		u->exec.path_len = rng() % 32;
		u->exec.args_len = rng() % 64;
		u->exec.markers_len = rng() % 64;
	}
	if (u->hdr.type == RW_CGROUP) {
		u->cg.cgroup_id = rng() % 20;
		u->cg.parent_id = rng() % 20;
		u->cg.id.pid = rng() % 40;
		u->cg.op = rng() % 8;
		u->cg.path_len = rng() % 40;
		u->cg.path[0] = '/';
		u->cg.path[30] = '\0';
	}
	if (u->hdr.type == RW_SCAN_BEGIN || u->hdr.type == RW_SCAN_END) {
		u->scan.generation = now / SEC;
		u->scan.flags = rng() % 4 ? 0 : RW_SCAN_RESYNC;
	}
}

static void check_one(void *ctx, struct runaway_proc *p)
{
	const struct runaway_proc *c, *root = runaway_proc_orphan_root(p);
	unsigned int *alive = ctx;

	(*alive)++;
	assert_int_not_equal(p->state, RUNAWAY_DEAD);
	for (c = p->child_head; c; c = c->child_next)
		assert_ptr_equal(c->parent_proc, p);
	if (root)
		assert_non_null(root->orphan);
	if (p->parent_proc)
		assert_int_not_equal(p->parent_proc->state, RUNAWAY_DEAD);
}

static void check_invariants(const struct runaway_model *m)
{
	const struct runaway_group *g;
	unsigned int alive = 0, listed = 0;
	size_t n, in_groups = 0;

	runaway_model_each(m, check_one, &alive);
	assert_int_equal(alive, m->living);
	for (const struct runaway_proc *p = runaway_model_orphans(m); p; p = p->orphan_next) {
		assert_int_equal(p->state, RUNAWAY_ALIVE);
		assert_non_null(p->orphan);
		listed++;
	}
	assert_int_equal(listed, m->orphans);
	g = runaway_model_groups(m, &n);
	for (size_t i = 0; i < n; i++)
		in_groups += g[i].orphan_count;
	assert_int_equal(in_groups, listed);
	assert_int_equal(HASH_CNT(hh, m->by_id), m->living + m->remembered);
}

static void test_random_records(void **state)
{
	struct world w;
	union any u;

	(void)state;
	rng_state = 20261122;
	world_new_limits(&w, 30, 12, 4);
	for (unsigned int i = 0; i < 1000000; i++) {
		uint64_t now = 100 * SEC + (uint64_t)i * MSEC;

		if (i % 7 == 0)
			for (size_t k = 0; k < ARRAY_SIZE(u.word); k++)
				u.word[k] = rng();
		plausible(&u, now);
		for (uint64_t flips = rng() % 4; flips > 0; flips--)
			u.byte[rng() % sizeof(u)] ^= (unsigned char)rng();
		(void)runaway_model_apply(w.m, &u.hdr, rng() % 8 ? sizeof(u) : rng() % sizeof(u));
		if (i % 1000 == 0)
			check_invariants(w.m);
	}
	check_invariants(w.m);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_refuses_short_records),
		cmocka_unit_test(test_unknown_types_are_refused),
		cmocka_unit_test(test_a_length_beyond_the_bytes_is_refused),
		cmocka_unit_test(test_inner_lengths_are_checked),
		cmocka_unit_test(test_pid_zero_is_nobody),
		cmocka_unit_test(test_time_and_meta),
		cmocka_unit_test(test_configure_replaces_lists),
		cmocka_unit_test(test_random_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

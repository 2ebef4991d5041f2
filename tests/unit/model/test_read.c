/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other rooms may ask: everybody once, the living only, unknown as unknown. */

#include "model/harness.h"

static void count_proc(void *ctx, struct runaway_proc *p)
{
	assert_int_not_equal(p->state, RUNAWAY_DEAD);
	(*(unsigned int *)ctx)++;
}

static void count_cgroup(void *ctx, struct runaway_cgroup *cg)
{
	assert_int_not_equal(cg->id, 0);
	(*(unsigned int *)ctx)++;
}

static void test_each(void **state)
{
	struct world w;
	unsigned int procs = 0, cgroups = 0;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	runaway_model_each(w.m, count_proc, &procs);
	assert_int_equal(procs, 5);
	cgroup_ev(&w, RW_CG_MKDIR, 8, 5, 0, "/x");
	runaway_model_each_cgroup(w.m, count_cgroup, &cgroups);
	assert_int_equal(cgroups, 2);
	world_free(&w);
}

static void test_an_empty_model_knows_nothing(void **state)
{
	const struct runaway_proc nobody = { 0 };
	struct runaway_cgroup_names n;
	unsigned int procs = 0;
	struct world w;
	size_t groups;

	(void)state;
	world_new(&w);
	runaway_model_each(w.m, count_proc, &procs);
	assert_int_equal(procs, 0);
	assert_null(runaway_model_orphans(w.m));
	runaway_model_groups(w.m, &groups);
	assert_int_equal(groups, 0);
	assert_int_equal(runaway_model_now(w.m), 0);
	assert_null(runaway_model_cgroup(w.m, 5));
	assert_null(runaway_proc_cgroup_path(w.m, &nobody));
	assert_int_equal(runaway_proc_cgroup_names(w.m, &nobody, &n), 0);
	assert_null(n.container_id);
	assert_int_equal(runaway_orphan_age_ns(w.m, &nobody), 0);
	tick(&w);
	world_free(&w);
	runaway_model_free(NULL);
}

static void test_counters_by_type(void **state)
{
	const struct runaway_model_counters *c;
	struct world w;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	c = runaway_model_counters(w.m);
	assert_int_equal(c->received[RW_FORK], 5);
	assert_int_equal(c->forks, 5);
	assert_int_equal(c->execs, 1);
	assert_int_equal(c->exits, 1);
	assert_int_equal(c->frees, 1);
	assert_int_equal(c->reparents, 1);
	assert_int_equal(c->malformed, 0);
	assert_int_equal(c->unknown_process, 0);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_an_empty_model_knows_nothing),
		cmocka_unit_test(test_counters_by_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

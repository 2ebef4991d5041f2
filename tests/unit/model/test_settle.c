/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was there before the sensor: services, orphans of unknown origin, honest children. */

#include "model/harness.h"

#define UNIT_CG 50
#define USER_CG 60

static void put(struct world *w, uint32_t pid, uint32_t parent, const char *comm, uint32_t sid,
		uint64_t cg, uint32_t flags)
{
	struct rw_task r = task_of(w, pid, parent, comm, 0);

	r.sid = sid;
	r.pgid = sid;
	r.cgroup_id = cg;
	r.flags = flags;
	FEED(w, r);
}

/* A usual host, children before their parents where pids have wrapped. */
static void snapshot(struct world *w, const char *init)
{
	scan_begin(w);
	put(w, 1, 0, init, 1, 5, RW_TF_NS_INIT);
	put(w, 2, 0, "kthreadd", 0, 0, RW_TF_KTHREAD);
	put(w, 3, 2, "kworker", 0, 0, RW_TF_KTHREAD);
	put(w, 301, 300, "worker", 300, UNIT_CG, 0);
	put(w, 40, 500, "app", 40, USER_CG + 1, 0);
	put(w, 300, 1, "nodeapp", 300, UNIT_CG, 0);	 /* main process of its unit */
	put(w, 310, 1, "left", 310, UNIT_CG, 0);	 /* younger: left behind in it */
	put(w, 320, 1, "chromium", 299, UNIT_CG + 1, 0); /* leads no session */
	put(w, 500, 1, "systemd", 500, USER_CG, RW_TF_SUBREAPER);
	put(w, 600, 1, "containerd-shim", 600, UNIT_CG + 2, RW_TF_SUBREAPER);
	put(w, 601, 600, "sleep", 601, 70, RW_TF_NS_INIT); /* a container's init */
	put(w, 602, 601, "job", 602, 70, 0);		   /* handed to it */
	put(w, 603, 601, "train", 601, 70, 0);		   /* forked by it, or handed to it */
	put(w, 330, 1, "burner", 300, UNIT_CG, 0);	   /* left behind in 300's session */
	scan_end(w, RW_SCAN_RESYNC, 12);
}

static void paths(struct world *w)
{
	cgroup_ev(w, RW_CG_FOUND, 5, 0, 0, "/init.scope");
	cgroup_ev(w, RW_CG_FOUND, UNIT_CG, 0, 0, "/system.slice/node.service");
	cgroup_ev(w, RW_CG_FOUND, UNIT_CG + 1, 0, 0, "/user.slice/user-0.slice/session-1.scope");
	cgroup_ev(w, RW_CG_FOUND, UNIT_CG + 2, 0, 0, "/system.slice/containerd.service");
	cgroup_ev(w, RW_CG_FOUND, USER_CG, 0, 0,
		  "/user.slice/user-0.slice/user@0.service/init.scope");
	cgroup_ev(w, RW_CG_FOUND, USER_CG + 1, 0, 0,
		  "/user.slice/user-0.slice/user@0.service/app.slice/a.service");
	cgroup_ev(w, RW_CG_FOUND, 70, 0, 0, "/weird");
}

static void check(struct world *w)
{
	assert_null(find(w, 300)->orphan);
	assert_null(find(w, 500)->orphan);
	assert_null(find(w, 40)->orphan);
	assert_null(find(w, 600)->orphan);
	assert_null(find(w, 601)->orphan);
	assert_null(find(w, 3)->orphan);
	assert_null(find(w, 1)->orphan);
	assert_ptr_equal(find(w, 301)->origin, find(w, 300));
	assert_non_null(find(w, 310)->orphan);
	assert_non_null(find(w, 320)->orphan);
	assert_non_null(find(w, 602)->orphan);
	assert_int_equal(find(w, 602)->orphan->reaper_kind, RUNAWAY_REAPER_NS_INIT);
	assert_false(find(w, 320)->orphan->origin_known);
	assert_int_equal(find(w, 320)->orphan->since_ns, 0);
	assert_int_not_equal(find(w, 320)->orphan->first_seen_ns, 0);
	assert_int_equal(find(w, 320)->orphan->hop_count, 0);
	/* Its session's leader is gone and its group is that session: a daemon may look so. */
	assert_int_equal(runaway_proc_daemonised(w->m, find(w, 320)), RUNAWAY_DAEMONISED_UNKNOWN);
	/* Left behind in a session that somebody else still leads: an accident. */
	assert_int_equal(runaway_proc_daemonised(w->m, find(w, 330)), RUNAWAY_DAEMONISED_NO);
	/* In the session of the init that forked it. */
	assert_int_equal(runaway_proc_daemonised(w->m, find(w, 603)), RUNAWAY_DAEMONISED_UNKNOWN);
	assert_int_equal(runaway_proc_daemonised(w->m, find(w, 310)), RUNAWAY_DAEMONISED_UNKNOWN);
	assert_int_equal(w->m->orphans, 5);
	assert_int_equal(w->orphans_told, 5);
}

static void test_snapshot_of_a_systemd_host(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	paths(&w);
	snapshot(&w, "systemd");
	check(&w);
	world_free(&w);
}

static void test_paths_may_come_after_the_scan(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	snapshot(&w, "systemd");
	assert_null(find(&w, 310)->orphan);
	assert_non_null(find(&w, 320)->orphan);
	paths(&w);
	tick(&w);
	check(&w);
	world_free(&w);
}

static void test_without_cgroups_nobody_waits_for_ever(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	snapshot(&w, "systemd");
	tick(&w);
	assert_non_null(find(&w, 310)->orphan);
	assert_non_null(find(&w, 300)->orphan);
	assert_int_equal(runaway_proc_daemonised(w.m, find(&w, 300)), RUNAWAY_DAEMONISED_UNKNOWN);
	world_free(&w);
}

static void test_another_init_starts_services_that_look_like_orphans(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	paths(&w);
	snapshot(&w, "tini");
	assert_non_null(find(&w, 300)->orphan);
	assert_int_equal(runaway_proc_daemonised(w.m, find(&w, 300)), RUNAWAY_DAEMONISED_UNKNOWN);
	world_free(&w);
}

/* A first look that lost the samples of parents: what they are is told by the next one. */
static void test_parents_whose_samples_were_lost(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 5, 0, 0, "/x");
	scan_begin(&w);
	put(&w, 20, 1, "left", 299, 5, 0);
	put(&w, 31, 30, "kid", 30, 5, 0);
	scan_end(&w, RW_SCAN_RESYNC | RW_SCAN_LOSSY, 4);
	tick(&w);
	assert_null(find(&w, 20)->orphan);
	scan_begin(&w);
	put(&w, 1, 0, "systemd", 1, 5, RW_TF_NS_INIT);
	put(&w, 20, 1, "left", 299, 5, 0);
	put(&w, 30, 1, "sh", 30, 5, 0);
	put(&w, 31, 30, "kid", 30, 5, 0);
	scan_end(&w, RW_SCAN_RESYNC, 4);
	assert_non_null(find(&w, 20)->orphan);
	assert_ptr_equal(find(&w, 31)->origin, find(&w, 30));
	world_free(&w);
}

/* The fork of what a scan had found under init is told late: init forked it itself. */
static void test_a_late_fork_takes_the_mark_back(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	cgroup_ev(&w, RW_CG_FOUND, 5, 0, 0, "/x");
	scan_begin(&w);
	put(&w, 10, 1, "a", 10, 5, 0);
	put(&w, 11, 1, "b", 11, 5, 0);
	scan_end(&w, 0, 3);
	assert_non_null(find(&w, 10)->orphan);
	forks(&w, 1, 10, "a");
	assert_null(find(&w, 10)->orphan);
	assert_ptr_equal(runaway_model_orphans(w.m), find(&w, 11));
	/* And the hook's late word turns "found" into "seen". */
	reparents(&w, 11, 9, 1, RW_TF_NS_INIT);
	assert_int_equal(find(&w, 11)->orphan->hop_count, 1);
	assert_int_not_equal(find(&w, 11)->orphan->since_ns, 0);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshot_of_a_systemd_host),
		cmocka_unit_test(test_paths_may_come_after_the_scan),
		cmocka_unit_test(test_without_cgroups_nobody_waits_for_ever),
		cmocka_unit_test(test_another_init_starts_services_that_look_like_orphans),
		cmocka_unit_test(test_parents_whose_samples_were_lost),
		cmocka_unit_test(test_a_late_fork_takes_the_mark_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

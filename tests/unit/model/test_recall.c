/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one model knows is told to another: the second knows the same. */

#include <sys/wait.h>

#include "model/harness.h"

struct tape {
	struct strbuf b;
	size_t count;
};

static void keep(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct tape *t = ctx;

	assert_int_equal(rec->len, len);
	strbuf_add(&t->b, rec, len);
	/* What follows must be aligned again. */
	while (t->b.len % 8)
		strbuf_addc(&t->b, '\0');
	t->count++;
}

/* The next record of a tape, from its own start so that it is aligned. */
static const struct rw_hdr *next(const struct tape *t, size_t *at)
{
	const struct rw_hdr *h = (const void *)(t->b.data + *at);

	if (*at >= t->b.len)
		return NULL;
	*at += (h->len + 7) & ~(size_t)7;
	return h;
}

static void play(struct world *to, const struct tape *t)
{
	const struct rw_hdr *h;

	for (size_t at = 0; (h = next(t, &at));)
		assert_int_equal(runaway_model_apply(to->m, h, h->len), 0);
}

static void recalled(struct world *w)
{
	struct rw_recalled r = { .hdr = hdr(w, RW_RECALLED, sizeof(r)), .whole = 1 };

	FEED(w, r);
}

/* A second world that was told all that the first one knows. */
static void restart(struct world *from, struct world *to)
{
	struct tape t = { .b = STRBUF_INIT };

	assert_int_equal(runaway_model_dump(from->m, keep, &t), 0);
	world_new(to);
	to->now_ns = from->now_ns;
	play(to, &t);
	recalled(to);
	strbuf_free(&t.b);
}

/* Both tell the same of what they know. */
static void assert_same(const struct world *a, const struct world *b)
{
	struct tape ta = { .b = STRBUF_INIT }, tb = { .b = STRBUF_INIT };
	const struct rw_hdr *ha, *hb;
	size_t ia = 0, ib = 0;

	assert_int_equal(runaway_model_dump(a->m, keep, &ta), 0);
	assert_int_equal(runaway_model_dump(b->m, keep, &tb), 0);
	assert_int_equal(ta.count, tb.count);
	while ((ha = next(&ta, &ia)) && (hb = next(&tb, &ib))) {
		assert_int_equal(ha->type, hb->type);
		assert_int_equal(ha->len, hb->len);
		assert_memory_equal(ha + 1, hb + 1, ha->len - sizeof(*ha));
	}
	strbuf_free(&ta.b);
	strbuf_free(&tb.b);
}

static void test_dead_origin_with_all_that_is_known_of_it(void **state)
{
	struct world w, v;
	const struct runaway_proc *p, *o;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "runner");
	EXECS(&w, 10, "runner", "runner\0bin", "runner\0--once", "CI=true\0GITHUB_RUN_ID=4711\0");
	forks(&w, 10, 11, "sh");
	EXECS(&w, 11, "smoke.sh", "smoke.sh\0job", "./smoke.sh\0--token\0hunter2", "");
	forks(&w, 11, 12, "smoke.sh");
	EXECS(&w, 12, "chromium", "chromium\0lib\0usr", "chromium\0--headless", "");
	dies(&w, 11, 9, 4000);
	reparents(&w, 12, 11, 1, RW_TF_NS_INIT);
	dies(&w, 10, 0, 100);
	w.now_ns += 50 * SEC;
	restart(&w, &v);
	p = find(&v, 12);
	assert_non_null(p);
	assert_non_null(p->orphan);
	assert_int_equal(p->orphan->since_ns, find(&w, 12)->orphan->since_ns);
	assert_true(p->orphan->origin_known);
	assert_int_equal(p->orphan->hop_count, 1);
	assert_string_equal(p->orphan->reaper_comm, "systemd");
	assert_int_equal(p->orphan->reaper_kind, RUNAWAY_REAPER_INIT);
	assert_ptr_equal(runaway_model_orphans(v.m), p);
	assert_ptr_equal(p->parent_proc, find(&v, 1));
	o = p->origin;
	assert_int_equal(o->state, RUNAWAY_DEAD);
	assert_string_equal(o->comm, "smoke.sh");
	assert_string_equal(o->image->exe, "/job/smoke.sh");
	assert_true(o->exit_known && WIFSIGNALED(o->exit_code));
	assert_int_equal(o->exit_ns, find(&w, 11)->exit_ns);
	assert_null(memmem(o->image->args, o->image->args_len, "hunter2", 7));
	assert_string_equal(o->origin->comm, "runner");
	assert_string_equal(p->ci->runner, "github");
	assert_int_equal(p->ci->count, 2);
	assert_ptr_equal(p->ci, o->ci);
	assert_int_equal(runaway_model_remembered(v.m), 2);
	assert_int_equal(runaway_proc_daemonised(v.m, p), RUNAWAY_DAEMONISED_NO);
	assert_same(&w, &v);
	/* And when it dies, so does its story. */
	dies(&v, 12, 0, 1);
	assert_int_equal(runaway_model_remembered(v.m), 0);
	world_free(&w);
	world_free(&v);
}

static void test_no_secret_is_written(void **state)
{
	struct tape t = { .b = STRBUF_INIT };
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "curl", "curl\0bin", "curl\0--password=hunter2\0https://u:hunter2@x/",
	      "CI=true\0GITHUB_SERVER_URL=https://u:hunter2@y/\0");
	assert_int_equal(runaway_model_dump(w.m, keep, &t), 0);
	assert_non_null(memmem(t.b.data, t.b.len, "--password=", 11));
	assert_null(memmem(t.b.data, t.b.len, "hunter2", 7));
	strbuf_free(&t.b);
	world_free(&w);
}

/* Nothing that was counted before is counted again. */
static void test_counts_begin_anew(void **state)
{
	const struct runaway_model_counters none = { 0 };
	struct world w, v;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	restart(&w, &v);
	assert_memory_equal(runaway_model_counters(v.m), &none, sizeof(none));
	forks(&v, 1, 90, "new");
	assert_int_equal(runaway_model_counters(v.m)->forks, 1);
	world_free(&w);
	world_free(&v);
}

static void test_a_shared_image_is_shared_again(void **state)
{
	struct world w, v;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	restart(&w, &v);
	assert_string_equal(find(&v, 14)->image->exe, "/usr/lib/chromium");
	assert_ptr_equal(find(&v, 14)->image, find(&v, 12)->image);
	assert_false(find(&v, 14)->execed);
	assert_true(find(&v, 12)->execed);
	world_free(&w);
	world_free(&v);
}

/* CPU of an orphan's tree goes on from where it was: nothing twice, nothing lost. */
static void test_cpu_of_a_tree_goes_on(void **state)
{
	struct world w, v;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	tick(&w);
	scan_begin(&w);
	task(&w, 12, 1, "chromium", 2 * SEC);
	task(&w, 14, 13, "chromium", 3 * SEC);
	scan_end(&w, 0, 5);
	tick(&w);
	assert_int_equal(find(&w, 12)->orphan->tree_cpu_ns, 5 * SEC);
	restart(&w, &v);
	v.now_ns += 5 * SEC;
	p = find(&v, 12);
	assert_int_equal(p->orphan->tree_cpu_ns, 5 * SEC);
	scan_begin(&v);
	task(&v, 1, 0, "systemd", 0);
	task(&v, 12, 1, "chromium", 2 * SEC);
	task(&v, 13, 12, "chromium", 0);
	task(&v, 14, 13, "chromium", 8 * SEC);
	scan_end(&v, RW_SCAN_RESYNC, 4);
	tick(&v);
	assert_int_equal(p->orphan->tree_cpu_ns, 10 * SEC);
	/* The rate is that of the whole time in between. */
	assert_true(p->orphan->cores > 0.9 && p->orphan->cores < 1.1);
	/* The scan did not see them: only who is in a story stays. */
	assert_int_equal(find(&v, 10)->state, RUNAWAY_DEAD);
	assert_int_equal(runaway_model_living(v.m), 4);
	world_free(&w);
	world_free(&v);
}

static void test_whoever_the_scan_does_not_see_is_gone(void **state)
{
	struct world w, v;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	restart(&w, &v);
	assert_int_equal(runaway_model_living(v.m), 5);
	scan_begin(&v);
	task_flags(&v, 1, 0, "systemd", RW_TF_NS_INIT);
	task(&v, 10, 1, "runner", 0);
	scan_end(&v, RW_SCAN_RESYNC, 2);
	assert_int_equal(runaway_model_living(v.m), 2);
	assert_null(runaway_model_orphans(v.m));
	assert_int_equal(runaway_model_remembered(v.m), 0);
	world_free(&w);
	world_free(&v);
}

/* A number that was given away again: the story is the old one's, the pid the new one's. */
static void test_a_reused_pid(void **state)
{
	struct world w, v;
	struct rw_fork again = { 0 };

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "old");
	forks(&w, 10, 11, "child");
	dies(&w, 10, 9, 0);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	again.hdr = hdr(&w, RW_FORK, sizeof(again));
	again.id = (struct rw_id){ .pid = 10, .start_ns = 500 * SEC };
	again.origin = again.parent = rw_id(1);
	copy_comm(again.comm, "young");
	FEED(&w, again);
	restart(&w, &v);
	assert_string_equal(find(&v, 11)->origin->comm, "old");
	assert_int_equal(find(&v, 11)->origin->state, RUNAWAY_DEAD);
	assert_string_equal(runaway_model_find_pid(v.m, 10)->comm, "young");
	assert_same(&w, &v);
	world_free(&w);
	world_free(&v);
}

static void test_more_dead_than_are_held(void **state)
{
	struct world w, v;

	(void)state;
	world_new(&w);
	boot(&w);
	for (uint32_t i = 0; i < 3 * HELD_MAX; i += 2) {
		forks(&w, 1, 1000 + i, "parent");
		forks(&w, 1000 + i, 1001 + i, "child");
		dies(&w, 1000 + i, 9, 0);
		reparents(&w, 1001 + i, 1000 + i, 1, RW_TF_NS_INIT);
		if (i % 1000 == 0)
			tick(&w);
	}
	tick(&w);
	tick(&w);
	restart(&w, &v);
	assert_int_equal(runaway_model_remembered(v.m), 3 * HELD_MAX / 2);
	assert_same(&w, &v);
	world_free(&w);
	world_free(&v);
}

/* One process told again is taken over, not doubled. */
static void test_told_again(void **state)
{
	struct tape t = { .b = STRBUF_INIT };
	struct world w, v;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	restart(&w, &v);
	EXECS(&w, 14, "renderer", "renderer\0opt", "renderer\0-x", "");
	assert_int_equal(runaway_model_dump_proc(w.m, find(&w, 14), keep, &t), 0);
	assert_int_equal(t.count, 1);
	play(&v, &t);
	assert_string_equal(find(&v, 14)->image->exe, "/opt/renderer");
	assert_int_equal(runaway_model_living(v.m), 5);
	strbuf_free(&t.b);
	assert_same(&w, &v);

	t = (struct tape){ .b = STRBUF_INIT };
	assert_int_equal(runaway_model_dump_tree(w.m, find(&w, 12), keep, &t), 0);
	assert_int_equal(t.count, 4); /* three processes and what makes the first an orphan */
	play(&v, &t);
	assert_same(&w, &v);
	strbuf_free(&t.b);
	world_free(&w);
	world_free(&v);
}

static void test_lengths_that_do_not_fit_are_refused(void **state)
{
	struct world w;
	struct {
		struct rw_known r;
		char data[64];
	} u = { 0 };

	(void)state;
	world_new(&w);
	u.r.hdr = hdr(&w, RW_KNOWN, sizeof(u));
	u.r.id = rw_id(40);
	u.r.known = RW_KF_IMAGE;
	u.r.exe_len = 30;
	u.r.args_len = 30;
	u.r.markers_len = 4;
	u.r.cgroup_len = 1;
	assert_int_equal(runaway_model_apply(w.m, &u.r.hdr, sizeof(u)), -EBADMSG);
	assert_null(find(&w, 40));
	u.r.cgroup_len = UINT16_MAX;
	u.r.exe_len = UINT16_MAX;
	assert_int_equal(runaway_model_apply(w.m, &u.r.hdr, sizeof(u)), -EBADMSG);
	u.r.cgroup_len = 0;
	u.r.exe_len = 30;
	assert_int_equal(runaway_model_apply(w.m, &u.r.hdr, sizeof(u)), 0);
	assert_non_null(find(&w, 40));
	u.r.hdr.len = sizeof(u.r) - 1;
	assert_int_equal(runaway_model_apply(w.m, &u.r.hdr, sizeof(u.r) - 1), -EBADMSG);
	world_free(&w);
}

/* Any bytes behind a sane header: refused or taken, never more. */
static void test_hostile_bytes(void **state)
{
	static const uint16_t types[] = { RW_KNOWN, RW_KNOWN_ORPHAN, RW_RECALLED, RW_COMMIT };
	struct world w;
	uint32_t seed = 1;
	union {
		struct rw_hdr h;
		struct rw_known k;
		unsigned char raw[512];
	} u;

	(void)state;
	world_new_limits(&w, 500, 100, 5);
	for (int round = 0; round < 200000; round++) {
		for (size_t i = 0; i < sizeof(u); i++) {
			seed = seed * 1664525 + 1013904223;
			u.raw[i] = (unsigned char)(seed >> 24) & (round % 3 ? 0x03 : 0xff);
		}
		u.h.type = types[round % 4];
		u.h.len = seed % (sizeof(u) + 1);
		u.h.time_ns = w.now_ns;
		/* Few numbers, so that they meet. */
		u.k.id.pid %= 64;
		u.k.id.start_ns %= 64;
		u.k.origin.pid %= 64;
		u.k.origin.start_ns %= 64;
		runaway_model_apply(w.m, &u.h, u.h.len);
		if (round % 5000 == 0) {
			scan_begin(&w);
			scan_end(&w, round % 10000 ? 0 : RW_SCAN_RESYNC, 1);
			tick(&w);
		}
	}
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_origin_with_all_that_is_known_of_it),
		cmocka_unit_test(test_no_secret_is_written),
		cmocka_unit_test(test_counts_begin_anew),
		cmocka_unit_test(test_a_shared_image_is_shared_again),
		cmocka_unit_test(test_cpu_of_a_tree_goes_on),
		cmocka_unit_test(test_whoever_the_scan_does_not_see_is_gone),
		cmocka_unit_test(test_a_reused_pid),
		cmocka_unit_test(test_more_dead_than_are_held),
		cmocka_unit_test(test_told_again),
		cmocka_unit_test(test_lengths_that_do_not_fit_are_refused),
		cmocka_unit_test(test_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes, their trees, and cgroups. */
#include "out/document_fixture.h"

static cJSON *process(const struct world *w, uint32_t pid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer j;
	struct runaway_proc *p = world_proc(w, pid);

	assert_non_null(p);
	json_init(&j, &b, true);
	runaway_doc_proc(&w->view, p, &j);
	return world_parse(&b);
}

static void test_orphan_element(void **state _unused_)
{
	const cJSON *o, *origin, *end;
	struct world w;
	cJSON *doc;

	smoke_world(&w);
	doc = document(&w, runaway_doc_orphans);
	assert_int_equal(cJSON_GetArraySize(doc), 1);
	o = cJSON_GetArrayItem(doc, 0);
	assert_number(o, "pid", 100);
	assert_text(o, "start_ns", "100000000100");
	assert_text(o, "comm", "chromium");
	assert_text(o, "exe", "/usr/lib/chromium/chromium");
	assert_int_equal(cJSON_GetArraySize(at(o, "args")), 3);
	assert_string_equal(cJSON_GetArrayItem(at(o, "args"), 1)->valuestring, "");
	assert_string_equal(cJSON_GetArrayItem(at(o, "args"), 2)->valuestring, "--headless");
	assert_text(o, "orphaned_at", "2023-11-14T22:13:20.000Z");
	assert_number(o, "orphan_age_s", 3);
	assert_true(cJSON_IsFalse(at(o, "by_design")));
	assert_null_at(o, "ci");
	origin = at(o, "origin");
	assert_number(origin, "pid", 101);
	assert_text(origin, "comm", "smoke.sh");
	assert_text(origin, "exe", "/bin/sh");
	assert_true(cJSON_IsTrue(at(origin, "known")));
	end = at(origin, "exit");
	assert_number(end, "signal", 9);
	assert_number(end, "code", 0);
	assert_number(end, "after_fork_s", 900);
	assert_text(end, "at", "2023-11-14T22:13:20.000Z");
	assert_number(at(o, "reaper"), "pid", 1);
	assert_text(at(o, "reaper"), "comm", "init");
	assert_number(at(o, "tree"), "processes", 2);
	assert_true(at(at(o, "tree"), "cpu_seconds")->valuedouble >= 2);
	assert_true(cJSON_GetArraySize(at(o, "lineage")) >= 1);
	assert_number(cJSON_GetArrayItem(at(o, "lineage"), 0), "pid", 101);
	assert_true(cJSON_GetArraySize(at(o, "lanes")) >= 1);
	assert_null_at(o, "cgroup");
	cJSON_Delete(doc);
	world_free(&w);
}

static void test_process_that_is_no_orphan(void **state _unused_)
{
	struct world w;
	cJSON *doc;

	smoke_world(&w);
	doc = process(&w, 103);
	assert_null_at(doc, "orphaned_at");
	assert_null_at(doc, "orphan_age_s");
	assert_null_at(doc, "by_design");
	assert_null_at(doc, "reaper");
	assert_null_at(doc, "tree");
	assert_int_equal(cJSON_GetArraySize(at(doc, "lanes")), 0);
	assert_number(at(doc, "origin"), "pid", 100);
	assert_null_at(at(doc, "origin"), "exit");
	cJSON_Delete(doc);
	doc = process(&w, 1);
	assert_null_at(at(doc, "origin"), "pid");
	assert_true(cJSON_IsFalse(at(at(doc, "origin"), "known")));
	assert_null_at(doc, "exe");
	assert_null_at(doc, "args");
	cJSON_Delete(doc);
	world_free(&w);
}

static void test_argument_splitting(void **state _unused_)
{
	static const struct {
		const char *args;
		size_t len;
		int count;
	} table[] = {
		{ "a\0b\0", 4, 2 }, { "one joined string", 17, 1 },
		{ "a\0b", 3, 2 },   { "\0", 1, 1 },
		{ "\0\0\0", 3, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct world w;
		cJSON *doc;

		world_init(&w, 100, 10);
		world_scan_begin(&w);
		world_orphan(&w, 100, "x", "y", table[i].args, table[i].len);
		doc = process(&w, 100);
		assert_int_equal(cJSON_GetArraySize(at(doc, "args")), table[i].count);
		cJSON_Delete(doc);
		world_free(&w);
	}
}

/* Every byte in names, arguments and paths: all documents stay JSON. */
static void test_hostile_bytes(void **state _unused_)
{
	static const doc_fn docs[] = { runaway_doc_orphans, runaway_doc_findings,
				       runaway_doc_status };
	char all[255], path[256] = "/";
	struct world w;

	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	for (int i = 1; i < 255; i++)
		path[i] = (char)(i == '/' ? '.' : i);
	path[255] = '\0';
	world_init(&w, 1000, 10);
	world_scan_begin(&w);
	world_cgroup(&w, 10, 1, path, RW_CG_FOUND);
	for (uint32_t i = 0; i < 17; i++) {
		char comm[16] = { 0 };

		memcpy(comm, all + i * 15, 15);
		world_orphan(&w, 100 + 2 * i, comm, comm, all, sizeof(all));
	}
	world_tick(&w);
	world_burn(&w, 100, 17, 3);
	for (size_t i = 0; i < ARRAY_SIZE(docs); i++)
		cJSON_Delete(document(&w, docs[i]));
	for (uint32_t i = 0; i < 17; i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct json_writer j;

		json_init(&j, &b, false);
		runaway_doc_tree(&w.view, world_proc(&w, 100 + 2 * i), &j);
		cJSON_Delete(world_parse(&b));
	}
	world_free(&w);
}

static cJSON *tree(const struct world *w, uint32_t pid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer j;

	json_init(&j, &b, false);
	json_array_begin(&j); /* the reply around it */
	runaway_doc_tree(&w->view, world_proc(w, pid), &j);
	json_array_end(&j);
	return world_parse(&b);
}

static void test_deep_tree(void **state _unused_)
{
	const cJSON *node;
	struct world w;
	int depth = 0;
	cJSON *doc;

	world_init(&w, 1000, 10);
	world_scan_begin(&w);
	for (uint32_t pid = 1; pid <= 60; pid++)
		world_task(&w, (struct task){ .pid = pid, .ppid = pid - 1, .comm = "deep" });
	world_tick(&w);
	doc = tree(&w, 1);
	node = cJSON_GetArrayItem(doc, 0);
	while (cJSON_GetArraySize(at(node, "children"))) {
		assert_number(node, "children_omitted", 0);
		node = cJSON_GetArrayItem(at(node, "children"), 0);
		depth++;
	}
	assert_number(node, "children_omitted", 1);
	assert_in_range(depth, 10, 20);
	cJSON_Delete(doc);
	world_free(&w);
}

static void test_wide_tree(void **state _unused_)
{
	const cJSON *node;
	struct world w;
	cJSON *doc;

	world_init(&w, 3000, 10);
	world_scan_begin(&w);
	world_task(&w, (struct task){ .pid = 1, .comm = "init" });
	for (uint32_t pid = 2; pid < 1502; pid++)
		world_task(&w, (struct task){ .pid = pid, .ppid = 1, .comm = "wide" });
	world_tick(&w);
	doc = tree(&w, 1);
	node = cJSON_GetArrayItem(doc, 0);
	assert_int_equal(cJSON_GetArraySize(at(node, "children")), 1000);
	assert_number(node, "children_omitted", 500);
	cJSON_Delete(doc);
	world_free(&w);
}

static void test_proc_top(void **state _unused_)
{
	static const struct {
		size_t limit;
		int count;
	} table[] = { { 1, 1 }, { 5, 5 }, { 0, 20 }, { 100, 41 } };
	struct world w;

	world_init(&w, 1000, 10);
	world_scan_begin(&w);
	for (uint32_t i = 0; i < 20; i++)
		world_orphan(&w, 100 + 2 * i, "x", "y", "x", 2);
	for (uint32_t i = 0; i < 20; i++)
		world_fork(&w, 500 + i, 1, "idle");
	world_tick(&w);
	world_burn(&w, 108, 1, 3);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct json_writer j;
		cJSON *doc;

		json_init(&j, &b, false);
		runaway_doc_proc_top(&w.view, table[i].limit, &j);
		doc = world_parse(&b);
		assert_int_equal(cJSON_GetArraySize(doc), table[i].count);
		assert_number(cJSON_GetArrayItem(doc, 0), "pid", 108);
		cJSON_Delete(doc);
	}
	world_free(&w);
}

static void test_cgroups(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, one = STRBUF_INIT;
	struct json_writer j;
	struct world w;
	cJSON *doc;

	world_init(&w, 1000, 10);
	world_scan_begin(&w);
	world_cgroup(&w, 20, 0, "/system.slice/ssh.service", RW_CG_FOUND);
	world_cgroup(&w, 21, 0, "/system.slice/cron.service", RW_CG_FOUND);
	world_task(&w, (struct task){ .pid = 5, .comm = "sshd", .cgroup_id = 20 });
	world_tick(&w);
	world_scan_begin(&w);
	world_cgroup_cpu(&w, 20, 2 * NSEC_PER_SEC);
	world_tick(&w);
	json_init(&j, &b, false);
	runaway_doc_cgroup_top(&w.view, 10, &j);
	doc = world_parse(&b);
	assert_int_equal(cJSON_GetArraySize(doc), 2);
	assert_text(cJSON_GetArrayItem(doc, 0), "path", "/system.slice/ssh.service");
	assert_text(cJSON_GetArrayItem(doc, 0), "unit", "ssh.service");
	assert_text(cJSON_GetArrayItem(doc, 0), "id", "20");
	cJSON_Delete(doc);
	json_init(&j, &one, false);
	runaway_doc_cgroup(&w.view, runaway_model_cgroup(w.model, 20), &j);
	doc = world_parse(&one);
	assert_number(doc, "process_count", 1);
	assert_number(cJSON_GetArrayItem(at(doc, "processes"), 0), "pid", 5);
	assert_number(doc, "cpu_seconds", 2);
	cJSON_Delete(doc);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orphan_element),
		cmocka_unit_test(test_process_that_is_no_orphan),
		cmocka_unit_test(test_argument_splitting),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_deep_tree),
		cmocka_unit_test(test_wide_tree),
		cmocka_unit_test(test_proc_top),
		cmocka_unit_test(test_cgroups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

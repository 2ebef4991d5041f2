/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "incident/harness.h"

static void test_opens_and_survives(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	char id[40], sha[RUNAWAY_SHA256_HEX];
	struct store_info info;
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 77);
	strcpy(id, i->incident_id);
	assert_memory_equal(id, "inc_20261122_0217_", 18);
	assert_int_equal(strlen(id), 26);
	runaway_store_info(h.s, &info);
	assert_int_equal(info.pending_lines, 0);
	assert_false(info.degraded);
	assert_int_equal(info.chain_length, 1);
	strcpy(sha, info.chain_head);
	harness_close_store(&h);

	harness_open_store(&h);
	i = open_on(&h, 77);
	assert_string_equal(i->incident_id, id);
	assert_int_equal(i->status, INCIDENT_OPEN);
	assert_string_equal(i->subject_key, "orphan_tree:77:77000");
	assert_int_equal(i->root.start_ns, 77000);
	assert_string_equal(i->env, "test");
	assert_int_equal(runaway_store_opened_total(h.s, i->lane_id), 1);
	runaway_store_info(h.s, &info);
	assert_true(info.chain_ok);
	assert_string_equal(info.chain_head, sha);
	assert_int_equal(info.opened_total, 1);
	doc = readback(&h, id);
	assert_int_equal(cJSON_GetArraySize(runaway_json_get(doc, "events")), 1);
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

static void test_readback_has_every_key(void **state _unused_)
{
	static const char *const keys[] = { "schema_version", "incident",    "finding", "lineage",
					    "samples",	      "packet",	     "plans",	"approvals",
					    "actions",	      "post_checks", "assets",	"events",
					    "artifacts",      "integrity" };
	_cleanup_cjson_ cJSON *doc = NULL, *file = NULL;
	_cleanup_free_ char *text = NULL;
	struct incident *i;
	struct harness h;
	char name[128];
	size_t len;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 5);
	doc = readback(&h, i->incident_id);
	assert_int_equal(cJSON_GetArraySize(doc), ARRAY_SIZE(keys));
	for (size_t n = 0; n < ARRAY_SIZE(keys); n++)
		assert_non_null(runaway_json_get(doc, keys[n]));
	assert_string_equal(runaway_json_str(doc, "schema_version", ""),
			    "runaway_incident_readback_v1");
	snprintf(name, sizeof(name), "incidents/%s/readback.json", i->incident_id);
	text = slurp(&h, name, &len);
	assert_int_equal(runaway_json_parse(text, len, &file, NULL), 0);
	assert_true(cJSON_Compare(doc, file, true));
	harness_end(&h);
}

static mode_t mode_of(const struct harness *h, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	path_of(h, name, path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_modes_and_lock(void **state _unused_)
{
	struct incident_store *second = NULL;
	struct harness h;
	char name[128];

	umask(022);
	harness_begin(&h);
	harness_open_store(&h);
	assert_int_equal(runaway_store_open(&h.c, &second), -EBUSY);
	assert_null(second);
	snprintf(name, sizeof(name), "incidents/%s", open_on(&h, 1)->incident_id);
	assert_int_equal(mode_of(&h, "incidents.jsonl"), 0640);
	assert_int_equal(mode_of(&h, "events.jsonl"), 0640);
	assert_int_equal(mode_of(&h, "incidents"), 0750);
	assert_int_equal(mode_of(&h, name), 0750);
	strcat(name, "/readback.json");
	assert_int_equal(mode_of(&h, name), 0640);
	harness_close_store(&h);
	harness_open_store(&h);
	harness_end(&h);
}

static void test_resolves_once(void **state _unused_)
{
	struct store_info before, after;
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 9);
	tick(&h, NSEC_PER_SEC);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m), 0);
	assert_int_equal(i->status, INCIDENT_RESOLVED);
	assert_string_equal(i->resolution_path, "self_cleared");
	assert_int_equal(i->resolved_realtime_ns, h.now_ns + REALTIME_OFFSET);
	runaway_store_info(h.s, &before);
	tick(&h, NSEC_PER_SEC);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_CLEARED, h.m), 0);
	runaway_store_info(h.s, &after);
	assert_int_equal(before.chain_length, 2);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(runaway_store_resolved_total(h.s, i->lane_id, "self_cleared"), 1);
	assert_int_equal(runaway_store_resolved_total(h.s, i->lane_id, "manual"), 0);
	assert_int_equal(runaway_incident_self_clear(h.s, "inc_x", FINDING_GONE, h.m), -ENOENT);
	harness_close_store(&h);
	harness_open_store(&h);
	runaway_store_info(h.s, &after);
	assert_int_equal(after.resolved_total, 1);
	assert_int_equal(runaway_store_count(h.s, INCIDENT_RESOLVED, RUNAWAY_SEVERITY_MAX), 1);
	assert_int_equal(runaway_store_count(h.s, INCIDENT_OPEN, RUNAWAY_SEVERITY_MAX), 0);
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

static void test_recurrence(void **state _unused_)
{
	struct incident *first, *second, *third;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	first = open_on(&h, 9);
	assert_string_equal(first->recurrence_of, "");
	runaway_incident_self_clear(h.s, first->incident_id, FINDING_CLEARED, h.m);
	tick(&h, UINT64_C(24) * 3600 * NSEC_PER_SEC);
	second = open_on(&h, 9);
	assert_string_not_equal(second->incident_id, first->incident_id);
	assert_string_equal(second->recurrence_of, first->incident_id);
	/* Another subject whose names are not known either: unknown is not the same. */
	third = open_on(&h, 10);
	assert_string_equal(third->recurrence_of, "");
	runaway_incident_self_clear(h.s, second->incident_id, FINDING_CLEARED, h.m);
	tick(&h, UINT64_C(24) * 3600 * NSEC_PER_SEC + NSEC_PER_SEC);
	assert_string_equal(open_on(&h, 9)->recurrence_of, "");
	harness_end(&h);
}

static void test_reboot_ends_what_was_open(void **state _unused_)
{
	_cleanup_free_ char *events = NULL;
	const struct incident *i;
	struct harness h;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	strcpy(id, open_on(&h, 9)->incident_id);
	harness_close_store(&h);
	h.c.boot_id = BOOT_B;
	h.c.opening_realtime_ns = h.now_ns + REALTIME_OFFSET + 60 * NSEC_PER_SEC;
	harness_open_store(&h);
	i = runaway_store_find(h.s, id);
	assert_non_null(i);
	assert_int_equal(i->status, INCIDENT_RESOLVED);
	assert_string_equal(i->resolution_path, "self_cleared");
	assert_int_equal(i->resolved_realtime_ns, h.c.opening_realtime_ns);
	events = slurp(&h, "events.jsonl", NULL);
	assert_non_null(strstr(events, "\"reason\":\"host rebooted\""));
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

static void collect(void *ctx, const char *file, const char *line)
{
	strbuf_addf(ctx, "%s %s\n", file, line);
}

static char *replay_once(void)
{
	struct strbuf out = STRBUF_INIT;
	struct harness h;
	char name[PATH_MAX];

	harness_begin(&h);
	h.c.memory_only = true;
	harness_open_store(&h);
	runaway_store_on_line(h.s, collect, &out);
	for (uint32_t pid = 1; pid < 20; pid++) {
		struct incident *i = open_on(&h, pid);

		tick(&h, NSEC_PER_SEC);
		if (pid % 2)
			runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m);
	}
	path_of(&h, "events.jsonl", name);
	assert_int_equal(access(name, F_OK), -1);
	harness_end(&h);
	return strbuf_take(&out);
}

static void test_replay_gives_the_same_bytes(void **state _unused_)
{
	_cleanup_free_ char *a = replay_once(), *b = replay_once();

	assert_string_equal(a, b);
	assert_non_null(strstr(a, "events.jsonl {\"seq\":29,"));
}

static void note_id(void *ctx, const struct incident *i)
{
	strbuf_addf(ctx, "%u ", i->root.pid);
}

static void test_newest_first_also_after_reload(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf order = STRBUF_INIT;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	for (uint32_t pid = 1; pid <= 4; pid++)
		open_on(&h, pid);
	runaway_incident_self_clear(h.s, open_on(&h, 2)->incident_id, FINDING_GONE, h.m);
	harness_close_store(&h);
	harness_open_store(&h);
	runaway_store_each(h.s, note_id, &order);
	assert_string_equal(order.data, "4 3 2 1 ");
	harness_end(&h);
}

static void test_stuck(void **state _unused_)
{
	struct runaway_finding f;
	struct incident *i;
	struct harness h;
	uint64_t real;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 3);
	real = h.now_ns + REALTIME_OFFSET;
	assert_int_equal(runaway_store_stuck(h.s, real + 3600 * NSEC_PER_SEC), 0);
	assert_int_equal(runaway_store_stuck(h.s, real + 3601 * NSEC_PER_SEC), 1);
	tick(&h, 1800 * NSEC_PER_SEC);
	f = finding_on(&h, 3);
	strcpy(f.incident_id, i->incident_id);
	runaway_incident_observe(h.s, &f, h.m);
	assert_int_equal(runaway_store_stuck(h.s, real + 3601 * NSEC_PER_SEC), 0);
	runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m);
	assert_int_equal(runaway_store_stuck(h.s, real + 90000 * NSEC_PER_SEC), 0);
	harness_end(&h);
}

static void test_status_names(void **state _unused_)
{
	enum incident_status s;

	for (int n = 0; n < INCIDENT_STATUS_MAX; n++) {
		const char *name = runaway_incident_status_name((enum incident_status)n);

		assert_int_equal(runaway_incident_status_parse(name, &s), 0);
		assert_int_equal(s, n);
	}
	assert_int_equal(runaway_incident_status_parse("opened", &s), -EINVAL);
	assert_int_equal(runaway_incident_status_parse(NULL, &s), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_and_survives),
		cmocka_unit_test(test_readback_has_every_key),
		cmocka_unit_test(test_modes_and_lock),
		cmocka_unit_test(test_resolves_once),
		cmocka_unit_test(test_recurrence),
		cmocka_unit_test(test_reboot_ends_what_was_open),
		cmocka_unit_test(test_replay_gives_the_same_bytes),
		cmocka_unit_test(test_newest_first_also_after_reload),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_status_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

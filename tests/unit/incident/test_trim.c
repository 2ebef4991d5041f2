/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory stays bounded; what leaves it is still told from the files. */
#include "incident/fast_disk.h"

#define MANY (INCIDENT_TEXTS_MAX + 20)

static void open_many(struct harness *h, uint32_t count, char ids[][40])
{
	for (uint32_t n = 0; n < count; n++) {
		struct incident *i = open_on(h, n + 1);

		if (ids)
			strcpy(ids[n], i->incident_id);
		if (n != 1)
			runaway_incident_self_clear(h->s, i->incident_id, FINDING_GONE, h->m);
		tick(h, NSEC_PER_SEC);
	}
}

static void check_oldest(struct harness *h, const char *id)
{
	_cleanup_cjson_ cJSON *doc = readback(h, id);
	const struct incident *i = runaway_store_find(h->s, id);

	assert_non_null(i);
	assert_true(incident_record_of(i)->texts_dropped);
	assert_null(i->packet_json);
	assert_int_equal(cJSON_GetArraySize(runaway_json_get(doc, "events")), 2);
	assert_true(cJSON_IsObject(runaway_json_get(doc, "packet")));
}

static void test_documents_leave_memory(void **state _unused_)
{
	static char ids[MANY][40];
	_cleanup_cjson_ cJSON *doc = NULL;
	char name[128];
	struct harness h;

	harness_begin(&h);
	assert_int_equal(incident_store_open_on(&h.c, &fast, &h.s), 0);
	open_many(&h, MANY, ids);
	check_oldest(&h, ids[0]);
	/* An open one keeps them, however old. */
	assert_non_null(runaway_store_find(h.s, ids[1])->packet_json);
	assert_non_null(runaway_store_find(h.s, ids[MANY - 1])->packet_json);
	harness_close_store(&h);
	assert_int_equal(incident_store_open_on(&h.c, &fast, &h.s), 0);
	check_oldest(&h, ids[0]);
	assert_non_null(runaway_store_find(h.s, ids[1])->packet_json);
	/* A damaged file must not damage the answer. */
	snprintf(name, sizeof(name), "incidents/%s/readback.json", ids[0]);
	spill(&h, name, "{\"a\":", 5);
	doc = readback(&h, ids[0]);
	assert_true(cJSON_IsNull(runaway_json_get(doc, "packet")));
	assert_string_equal(runaway_json_str(runaway_json_get(doc, "incident"), "status", ""),
			    "resolved");
	harness_end(&h);
}

static void test_oldest_resolved_are_forgotten(void **state _unused_)
{
	struct store_info info;
	struct harness h;

	harness_begin(&h);
	h.c.memory_only = true;
	harness_open_store(&h);
	open_many(&h, INCIDENT_MAX + 10, NULL);
	runaway_store_info(h.s, &info);
	assert_int_equal(info.opened_total, INCIDENT_MAX + 10);
	assert_true(HASH_COUNT(h.s->incidents) <= INCIDENT_MAX + 1);
	assert_int_equal(runaway_store_count(h.s, INCIDENT_OPEN, RUNAWAY_SEVERITY_MAX), 1);
	harness_end(&h);
}

static void test_many_events_of_one_incident(void **state _unused_)
{
	_cleanup_(incident_record_freep) struct incident_record *rec = incident_record_new();
	char line[32];

	for (int n = 0; n < INCIDENT_EVENTS_MAX + 5; n++) {
		int len = snprintf(line, sizeof(line), "%d", n);

		assert_int_equal(incident_record_add_event(rec, line, (size_t)len), 0);
	}
	assert_int_equal(rec->event_count, INCIDENT_EVENTS_MAX);
	assert_int_equal(rec->events_cut, 5);
	assert_string_equal(rec->event[0], "0");
	assert_string_equal(rec->event[1], "6");
	assert_string_equal(rec->event[INCIDENT_EVENTS_MAX - 1], "1004");
}

/* A line is never longer than the reader takes, whatever the documents hold. */
static void test_line_without_its_documents(void **state _unused_)
{
	_cleanup_(incident_record_freep) struct incident_record *rec = incident_record_new();
	_cleanup_(incident_record_freep) struct incident_record *back = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;

	strcpy(rec->i.incident_id, "inc_20261122_0217_0123abcd");
	strcpy(rec->i.lane_id, "lane");
	rec->i.packet_json = calloc(1, RUNAWAY_LINE_MAX + 16);
	memset(rec->i.packet_json, '1', RUNAWAY_LINE_MAX + 8);
	incident_state_line(&b, rec);
	assert_int_equal(b.error, 0);
	assert_true(b.len < 4096);
	assert_true(runaway_line_sealed(b.data, b.len));
	assert_int_equal(runaway_json_parse(b.data, b.len, &json, NULL), 0);
	assert_true(cJSON_IsTrue(runaway_json_get(json, "documents_cut")));
	assert_int_equal(incident_state_parse(json, &back), 0);
	assert_null(back->i.packet_json);
}

static void test_ids_are_file_names(void **state _unused_)
{
	assert_true(incident_id_valid("inc_20261122_0217_0123abcd"));
	assert_false(incident_id_valid("inc_20261122_0217_0123abcD"));
	assert_false(incident_id_valid("inc_20261122_0217_../../ab"));
	assert_false(incident_id_valid("inc_20261122_0217_0123abcde"));
	assert_false(incident_id_valid(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents_leave_memory),
		cmocka_unit_test(test_oldest_resolved_are_forgotten),
		cmocka_unit_test(test_many_events_of_one_incident),
		cmocka_unit_test(test_line_without_its_documents),
		cmocka_unit_test(test_ids_are_file_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

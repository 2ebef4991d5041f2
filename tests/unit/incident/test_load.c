/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Damaged logs: opening never crashes, keeps what is valid, and says what is not. */
#include "incident/fast_disk.h"

/* `make soak` asks for more. */
#ifdef __SANITIZE_ADDRESS__
#define MUTATIONS 2000 /* ten times slower each */
#else
#define MUTATIONS 4000
#endif

static unsigned int from_env(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

struct original {
	char *text[LOG_COUNT];
	size_t len[LOG_COUNT];
};

/* Three incidents, two resolved: five lines in each file. */
static void make_original(struct harness *h, struct original *o)
{
	harness_begin(h);
	assert_int_equal(incident_store_open_on(&h->c, &fast, &h->s), 0);
	for (uint32_t pid = 1; pid <= 3; pid++) {
		struct incident *i = open_on(h, pid);

		tick(h, NSEC_PER_SEC);
		if (pid < 3)
			runaway_incident_self_clear(h->s, i->incident_id, FINDING_GONE, h->m);
	}
	harness_close_store(h);
	for (int n = 0; n < LOG_COUNT; n++)
		o->text[n] = slurp(h, incident_log_names[n], &o->len[n]);
}

static void free_original(struct original *o)
{
	for (int n = 0; n < LOG_COUNT; n++)
		free(o->text[n]);
}

static void restore(const struct harness *h, const struct original *o)
{
	static const char *const aside[LOG_COUNT] = { "incidents.jsonl.corrupt",
						      "events.jsonl.corrupt" };
	char path[PATH_MAX];

	for (int n = 0; n < LOG_COUNT; n++) {
		spill(h, incident_log_names[n], o->text[n], o->len[n]);
		path_of(h, aside[n], path);
		unlink(path);
	}
}

static const char *line_at(const char *text, unsigned int n)
{
	while (n-- > 0)
		text = strchr(text, '\n') + 1;
	return text;
}

/* Whole lines before the first byte that differs. */
static size_t valid_prefix(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t whole = 0;

	for (size_t n = 0; n < a_len && n < b_len && a[n] == b[n]; n++)
		if (a[n] == '\n')
			whole = n + 1;
	return whole;
}

static void mutate(unsigned int *seed, char *text, size_t *len)
{
	unsigned int flips = 1 + (unsigned int)rand_r(seed) % 4;

	if (rand_r(seed) % 3 == 0)
		*len = (size_t)rand_r(seed) % (*len + 1);
	else if (rand_r(seed) % 8 == 0 && *len > 64)
		memset(text + *len - 64, 0, 64); /* what a power cut leaves behind */
	else
		while (*len > 0 && flips-- > 0)
			text[(size_t)rand_r(seed) % *len] ^= (char)(1 << (rand_r(seed) % 8));
}

static void one_mutation(struct harness *h, const struct original *o, unsigned int *seed)
{
	enum log_id log = rand_r(seed) % 2 ? LOG_EVENTS : LOG_INCIDENTS;
	_cleanup_free_ char *text = malloc(o->len[log] + 1);
	_cleanup_free_ char *after = NULL;
	size_t len = o->len[log], after_len, keep;
	struct store_info info;
	bool differs, reported;

	memcpy(text, o->text[log], len);
	mutate(seed, text, &len);
	keep = valid_prefix(o->text[log], o->len[log], text, len);
	differs = len != o->len[log] || memcmp(text, o->text[log], len) != 0;
	restore(h, o);
	spill(h, incident_log_names[log], text, len);
	reported = !verified(h, NULL);
	if (differs)
		assert_true(reported);
	assert_int_equal(incident_store_open_on(&h->c, &fast, &h->s), 0);
	runaway_store_info(h->s, &info);
	assert_false(info.degraded);
	open_on(h, 1000);
	harness_close_store(h);
	after = slurp(h, incident_log_names[log], &after_len);
	assert_true(after_len >= keep);
	assert_memory_equal(after, o->text[log], keep);
	assert_int_equal(after[after_len - 1], '\n');
}

static void test_random_damage(void **state _unused_)
{
	unsigned int seed = from_env("RUNAWAY_TEST_SEED", 20261122);
	unsigned int mutations = from_env("RUNAWAY_TEST_MUTATIONS", MUTATIONS);
	struct original o;
	struct harness h;

	make_original(&h, &o);
	assert_true(verified(&h, NULL));
	for (unsigned int n = 0; n < mutations; n++)
		one_mutation(&h, &o, &seed);
	printf("# %u damaged logs opened\n", mutations);
	free_original(&o);
	harness_end(&h);
}

static void open_damaged(struct harness *h, struct store_info *info)
{
	assert_int_equal(incident_store_open_on(&h->c, &fast, &h->s), 0);
	runaway_store_info(h->s, info);
	harness_close_store(h);
}

static void test_torn_tail_is_set_aside(void **state _unused_)
{
	_cleanup_free_ char *aside = NULL, *left = NULL;
	struct store_info info;
	struct original o;
	struct harness h;
	size_t len;

	make_original(&h, &o);
	restore(&h, &o);
	spill(&h, "events.jsonl", o.text[LOG_EVENTS], o.len[LOG_EVENTS] - 10);
	open_damaged(&h, &info);
	assert_int_equal(info.torn_lines, 1);
	assert_int_equal(info.bad_lines, 0);
	assert_true(info.chain_ok);
	aside = slurp(&h, "events.jsonl.corrupt", &len);
	assert_memory_equal(aside, line_at(o.text[LOG_EVENTS], 4), len - 1);
	assert_int_equal(aside[len - 1], '\n');
	/* Its state line was there, so the event is made good. */
	left = slurp(&h, "events.jsonl", NULL);
	assert_non_null(strstr(line_at(left, 4), "\"type\":\"recovered\""));
	assert_true(verified(&h, NULL));
	/* Once is enough. */
	open_damaged(&h, &info);
	assert_int_equal(info.chain_length, 5);
	assert_int_equal(info.torn_lines, 0);
	free_original(&o);
	harness_end(&h);
}

static void test_whole_last_line_of_rubbish_is_torn(void **state _unused_)
{
	struct store_info info;
	struct strbuf b = STRBUF_INIT;
	struct original o;
	struct harness h;

	make_original(&h, &o);
	restore(&h, &o);
	strbuf_add(&b, o.text[LOG_INCIDENTS], o.len[LOG_INCIDENTS]);
	strbuf_adds(&b, "{\"incident_id\":\"inc_20\n");
	spill(&h, "incidents.jsonl", b.data, b.len);
	open_damaged(&h, &info);
	assert_int_equal(info.torn_lines, 1);
	assert_int_equal(info.bad_lines, 0);
	assert_int_equal(info.opened_total, 3);
	/* The same in the middle stays where it is. */
	strbuf_add(&b, line_at(o.text[LOG_INCIDENTS], 4),
		   strlen(line_at(o.text[LOG_INCIDENTS], 4)));
	spill(&h, "incidents.jsonl", b.data, b.len);
	open_damaged(&h, &info);
	assert_int_equal(info.torn_lines, 0);
	assert_int_equal(info.bad_lines, 1);
	assert_int_equal(info.opened_total, 3);
	strbuf_free(&b);
	free_original(&o);
	harness_end(&h);
}

static void test_line_too_long(void **state _unused_)
{
	struct store_info info;
	struct strbuf b = STRBUF_INIT;
	struct original o;
	struct harness h;

	make_original(&h, &o);
	for (int n = 0; n < 3 * RUNAWAY_LINE_MAX; n += 4)
		strbuf_adds(&b, "[[[[");
	strbuf_addc(&b, '\n');
	strbuf_add(&b, o.text[LOG_INCIDENTS], o.len[LOG_INCIDENTS]);
	restore(&h, &o);
	spill(&h, "incidents.jsonl", b.data, b.len);
	open_damaged(&h, &info);
	assert_int_equal(info.torn_lines, 0);
	assert_int_equal(info.bad_lines, 1);
	assert_int_equal(info.opened_total, 3);
	/* Without an end it is a torn tail, however long. */
	restore(&h, &o);
	strbuf_reset(&b);
	strbuf_add(&b, o.text[LOG_INCIDENTS], o.len[LOG_INCIDENTS]);
	for (int n = 0; n < 3 * RUNAWAY_LINE_MAX; n += 4)
		strbuf_adds(&b, "[[[[");
	spill(&h, "incidents.jsonl", b.data, b.len);
	open_damaged(&h, &info);
	assert_int_equal(info.torn_lines, 1);
	assert_int_equal(info.bad_lines, 0);
	assert_true(verified(&h, NULL));
	strbuf_free(&b);
	free_original(&o);
	harness_end(&h);
}

static void test_state_without_its_event(void **state _unused_)
{
	_cleanup_free_ char *events = NULL;
	struct store_info info;
	struct original o;
	struct harness h;
	const char *line;

	make_original(&h, &o);
	restore(&h, &o);
	line = line_at(o.text[LOG_EVENTS], 3);
	spill(&h, "events.jsonl", o.text[LOG_EVENTS], (size_t)(line - o.text[LOG_EVENTS]));
	open_damaged(&h, &info);
	assert_int_equal(info.chain_length, 5);
	events = slurp(&h, "events.jsonl", NULL);
	line = line_at(events, 3);
	assert_non_null(
		strstr(line, "\"type\":\"recovered\",\"old\":\"open\",\"new\":\"resolved\""));
	assert_non_null(strstr(line, "\"data\":{\"event_seq\":4}"));
	line = line_at(events, 4);
	assert_non_null(strstr(line, "\"type\":\"recovered\",\"old\":null,\"new\":\"open\""));
	assert_true(verified(&h, NULL));
	open_damaged(&h, &info);
	assert_int_equal(info.chain_length, 5);
	free_original(&o);
	harness_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn_tail_is_set_aside),
		cmocka_unit_test(test_whole_last_line_of_rubbish_is_torn),
		cmocka_unit_test(test_line_too_long),
		cmocka_unit_test(test_state_without_its_event),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reader can find out about the logs: with our verifier, and with a shell. */
#include "incident/harness.h"

static void make_store(struct harness *h)
{
	harness_begin(h);
	harness_open_store(h);
	for (uint32_t pid = 1; pid <= 4; pid++) {
		struct incident *i = open_on(h, pid);

		tick(h, NSEC_PER_SEC);
		runaway_incident_self_clear(h->s, i->incident_id, FINDING_CLEARED, h->m);
	}
	harness_close_store(h);
	assert_true(verified(h, NULL));
}

static void shell(const struct harness *h, const char *script)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "cd '%s' && { %s\n}", h->dir, script);
	assert_int_equal(system(b.data), 0);
	strbuf_free(&b);
}

static void assert_found(struct harness *h, const char *why)
{
	_cleanup_free_ char *report = NULL;

	assert_false(verified(h, &report));
	if (!strstr(report, why))
		fail_msg("\"%s\" is not in %s", why, report);
	harness_end(h);
}

static void test_edited_event(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "sed -i '3s/open/oben/' events.jsonl");
	assert_found(&h, "hash does not match the line");
}

/* An edit that mends its own hash still breaks the chain. */
static void test_edited_and_sealed_again(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h,
	      "line=$(sed -n 4p events.jsonl | sed 's/,\"hash\":\"[0-9a-f]*\"}$/}/; s/calm/kalm/');"
	      "hash=$(printf %s \"$line\" | sha256sum | cut -c1-64);"
	      "{ head -n 3 events.jsonl; printf '%s,\"hash\":\"%s\"}\\n' \"${line%\\}}\" $hash;"
	      " tail -n +5 events.jsonl; } > new && mv new events.jsonl");
	assert_found(&h, "prev is not the digest of the line before");
}

static void test_removed_line(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "sed -i 4d events.jsonl");
	assert_found(&h, "\"line\":4,\"why\":\"prev is not the digest");
}

static void test_swapped_lines(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "sed -i '3{h;d};4G' events.jsonl");
	assert_found(&h, "prev is not the digest");
}

static void test_cut_end(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "sed -i '$d' events.jsonl; sed -i '$d' incidents.jsonl");
	assert_found(&h, "events.jsonl is shorter than when this was written");
}

static void test_edited_state(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "sed -i '1s/P1/P3/' incidents.jsonl");
	assert_found(&h, "\"file\":\"incidents.jsonl\",\"line\":1,\"why\":\"hash does not match");
}

static void test_readback_gone(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "rm incidents/*_*_*_*/readback.json");
	assert_found(&h, "missing or not readable");
}

static void test_no_folder(void **state _unused_)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	bool ok = true;

	json_init(&w, &b, false);
	assert_int_equal(runaway_store_verify("/nonexistent/runaway", &w, &ok), -ENOENT);
	strbuf_free(&b);
}

/* The recipe of docs/incidents.md: nothing of ours takes part. */
static void test_with_a_shell(void **state _unused_)
{
	struct harness h;

	make_store(&h);
	shell(&h, "prev=$(printf '%064d' 0); n=0;"
		  "while IFS= read -r line; do n=$((n+1));"
		  " body=$(printf '%s' \"$line\" | sed 's/,\"hash\":\"[0-9a-f]\\{64\\}\"}$/}/');"
		  " hash=$(printf '%s' \"$body\" | sha256sum | cut -c1-64);"
		  " case $line in *\",\\\"hash\\\":\\\"$hash\\\"}\") ;; *) exit 1;; esac;"
		  " case $line in *\"\\\"prev\\\":\\\"$prev\\\"\"*) ;; *) exit 1;; esac;"
		  " case $line in \"{\\\"seq\\\":$n,\"*) ;; *) exit 1;; esac;"
		  " prev=$(printf '%s' \"$line\" | sha256sum | cut -c1-64);"
		  "done < events.jsonl; [ $n = 8 ] && grep -q \"$prev\" incidents/*/readback.json");
	harness_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edited_event),
		cmocka_unit_test(test_edited_and_sealed_again),
		cmocka_unit_test(test_removed_line),
		cmocka_unit_test(test_swapped_lines),
		cmocka_unit_test(test_cut_end),
		cmocka_unit_test(test_edited_state),
		cmocka_unit_test(test_readback_gone),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_with_a_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

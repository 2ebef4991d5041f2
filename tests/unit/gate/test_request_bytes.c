/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and documents with bytes changed at random, and one by one. */
#include "gate/acting.h"

static struct runaway_key key;
static uint64_t dice = 88172645463325252ULL;

static uint64_t roll(uint64_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % below;
}

static void spoil(struct strbuf *b)
{
	static const char *const pieces[] = { "\"",   "{",  "[[[[[[[[[[", "\\u0000", "\xff\xfe",
					      "null", "-1", "1e999",	  "\\ud800", "}}" };

	for (uint64_t n = 1 + roll(4); n > 0; n--) {
		size_t at = roll(b->len);

		switch (roll(4)) {
		case 0:
			b->data[at] = (char)roll(256);
			break;
		case 1:
			strbuf_truncate(b, at + 1);
			break;
		case 2:
			memmove(b->data + at, b->data + at + 1, b->len - at - 1);
			strbuf_truncate(b, b->len - 1 ? b->len - 1 : 1);
			break;
		default:
			strbuf_adds(b, pieces[roll(ARRAY_SIZE(pieces))]);
		}
	}
}

static void request_text(const char *type, const char *plan, const char *approval, struct strbuf *b)
{
	struct json_writer w;

	strbuf_reset(b);
	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "type", type);
	json_kv_string(&w, "id", "1");
	json_kv_string(&w, "plan", plan);
	json_kv_string(&w, "approval", approval);
	json_kv_uint(&w, "pid", (uint64_t)getpid());
	json_kv_uint(&w, "limit", 3);
	json_kv_bool(&w, "rule_matches", true);
	json_object_end(&w);
}

/*
 * Whatever the bytes of a request have become, it is answered. Disarmed: a change outside of
 * the documents may leave it one that has to be carried out.
 */
static void spoilt_requests(_unused_ void **state)
{
	static const char *const types[] = {
		"apply", "check", "look", "status", "audit", "release"
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	pid_t pid = start_target();
	size_t n = tries(5000);

	documents_for(pid);
	g->audit.disarm_seq = 1;
	for (size_t i = 0; i < n; i++) {
		request_text(types[roll(ARRAY_SIZE(types))], plan_text.data, approval_text.data,
			     &b);
		spoil(&b);
		cJSON_Delete(answer_to(b.data, b.len));
	}
	g->audit.disarm_seq = 0;
	print_message("# %zu spoilt requests, each answered\n", n);
	assert_applied("signalled", "");
	end_target(pid);
}

/* The owner's signature below documents in which nothing is wrong. */
static void signed_documents_for(pid_t pid)
{
	struct runaway_approval approval;

	runaway_key_generate(&key);
	g->config.require_signature = true;
	test_key(&g->config, "anna", &key);
	documents_for(pid);
	assert_int_equal(runaway_approval_read(approval_text.data, approval_text.len, &approval),
			 0);
	assert_int_equal(runaway_approval_sign(&approval, key.secret), 0);
	strbuf_reset(&approval_text);
	assert_int_equal(runaway_approval_write(&approval, &approval_text), 0);
}

/* Another text than that, whatever the dice said. */
static void spoilt(const struct strbuf *text, struct strbuf *ret)
{
	do {
		strbuf_reset(ret);
		strbuf_add(ret, text->data, text->len);
		spoil(ret);
	} while (strcmp(ret->data, text->data) == 0);
}

/*
 * Forged documents in a perfect request to an armed gate: the plan, the approval, or both are
 * other texts than the signed ones, and nothing else stands between them and the signal.
 */
static void forged_documents(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, plan = STRBUF_INIT, approval = STRBUF_INIT;
	pid_t pid = start_target();
	size_t n = tries(20000);

	signed_documents_for(pid);
	for (size_t i = 0; i < n; i++) {
		cJSON *answer;

		spoilt(&plan_text, &plan);
		spoilt(&approval_text, &approval);
		request_text(roll(2) ? "apply" : "check", i % 3 == 1 ? plan_text.data : plan.data,
			     i % 3 == 2 ? approval_text.data : approval.data, &b);
		answer = answer_to(b.data, b.len);
		assert_true(runaway_json_true(answer, "ok", false));
		assert_false(runaway_json_true(answer, "allowed", true));
		cJSON_Delete(answer);
	}
	assert_int_equal(terms_of(pid), 0);
	print_message("# %zu forged documents at an armed gate, none carried out\n", n);
	/* And as they were signed they are. */
	assert_applied("signalled", "");
	end_target(pid);
}

/* Every byte of the documents in an otherwise perfect request (G5, at the door). */
static void flip_all(struct strbuf *text, size_t *tried)
{
	for (size_t i = 0; i < text->len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			cJSON *answer;

			text->data[i] ^= (char)(1 << bit);
			answer = ask_about("check");
			assert_false(runaway_json_true(answer, "allowed", false));
			cJSON_Delete(answer);
			text->data[i] ^= (char)(1 << bit);
			(*tried)++;
		}
	}
}

static void flipped_documents(_unused_ void **state)
{
	pid_t pid = start_target();
	size_t tried = 0;

	signed_documents_for(pid);
	flip_all(&plan_text, &tried);
	flip_all(&approval_text, &tried);
	print_message("# %zu requests with one bit changed, none allowed\n", tried);
	assert_applied("signalled", "");
	end_target(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spoilt_requests),
		TEST(forged_documents),
		TEST(flipped_documents),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}

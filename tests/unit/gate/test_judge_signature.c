/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose word is it? */
#include "gate/one_scene.h"

static struct runaway_key key, other;

static void use_keys(void)
{
	runaway_key_generate(&key);
	runaway_key_generate(&other);
	s->config.require_signature = true;
	test_key(&s->config, "bert", &other);
	test_key(&s->config, "anna", &key);
}

static const char *signature_reason(void)
{
	return runaway_reason_name(runaway_judge_signature(&s->config, &s->plan, &s->approval));
}

static void signatures_of_owners(_unused_ void **state)
{
	use_keys();
	assert_string_equal(signature_reason(), "approval_unsigned");
	s->config.require_signature = false;
	assert_string_equal(signature_reason(), "");
	s->config.require_signature = true;
	assert_int_equal(runaway_approval_sign(&s->approval, key.secret), 0);
	assert_string_equal(signature_reason(), "");
	s->approval.approver_uid++;
	assert_string_equal(signature_reason(), "approval_bad_signature");
	/* Given where none is asked for, it has to fit all the same. */
	s->config.require_signature = false;
	assert_string_equal(signature_reason(), "approval_bad_signature");
}

static void keys_of_others(_unused_ void **state)
{
	struct runaway_key stranger;

	use_keys();
	runaway_key_generate(&stranger);
	assert_int_equal(runaway_approval_sign(&s->approval, other.secret), 0);
	assert_string_equal(signature_reason(), "approval_other_owner");
	assert_int_equal(runaway_approval_sign(&s->approval, stranger.secret), 0);
	assert_string_equal(signature_reason(), "approval_unknown_key");
	SET(s->approval.key_id, key.id);
	assert_string_equal(signature_reason(), "approval_bad_signature");
}

static void drill_keys(_unused_ void **state)
{
	use_keys();
	SET(s->approval.drill_key, other.public_hex);
	assert_int_equal(runaway_approval_sign(&s->approval, other.secret), 0);
	assert_string_equal(signature_reason(), "approval_drill");
	s->plan.drill = true;
	assert_string_equal(signature_reason(), "");
	s->approval.signature[0] = '\0';
	assert_string_equal(signature_reason(), "approval_bad_signature");
	s->approval.drill_key[0] = '\0';
	assert_string_equal(signature_reason(), "approval_drill");
	/* One person may drill. */
	s->approval.two_person = false;
	s->approval.approver_uid = s->plan.requester_uid;
	assert_string_equal(
		runaway_reason_name(runaway_judge_condition(&s->facts, RUNAWAY_CONDITION_APPROVAL)),
		"");
}

static void the_signatures_verdict_counts(_unused_ void **state)
{
	s->facts.signature = RUNAWAY_REASON_APPROVAL_BAD_SIGNATURE;
	assert_reason(s, "approval_bad_signature");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(signatures_of_owners),
		TEST(keys_of_others),
		TEST(drill_keys),
		TEST(the_signatures_verdict_counts),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

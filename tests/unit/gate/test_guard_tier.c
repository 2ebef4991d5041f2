// SPDX-License-Identifier: GPL-2.0-or-later
/* What may be claimed: every combination of what is known. */
#include "gate/gate_test.h"

#include "gate/guard_priv.h"

static unsigned int count[RUNAWAY_GUARD_NONE + 1], cells;

static void one_cell(const struct guard_proof *p)
{
	enum runaway_guard_tier tier = guard_decide(p);
	bool claims = tier == RUNAWAY_GUARD_LSM || tier == RUNAWAY_GUARD_FMOD;

	count[tier]++;
	cells++;
	/* Nothing is claimed without a proof that still stands. */
	if (claims)
		assert_true(p->passed && !p->broken && p->kind != GUARD_KIND_NONE);
	if (tier == RUNAWAY_GUARD_FMOD)
		assert_false(p->may_be_skipped);
	if (tier == RUNAWAY_GUARD_LSM)
		assert_int_not_equal(p->lsm, GUARD_LSM_NOT_LISTED);
	if (tier == RUNAWAY_GUARD_SECCOMP)
		assert_true(p->confined);
	if (p->broken)
		assert_int_equal(tier, RUNAWAY_GUARD_NONE);
}

static void truth_table(_unused_ void **state)
{
	for (unsigned int i = 0; i < 16; i++)
		for (int kind = GUARD_KIND_NONE; kind <= GUARD_KIND_FMOD; kind++)
			for (int lsm = GUARD_LSM_UNKNOWN; lsm <= GUARD_LSM_NOT_LISTED; lsm++)
				one_cell(&(struct guard_proof){
					.kind = (enum guard_kind)kind,
					.lsm = (enum guard_lsm_list)lsm,
					.passed = i & 1,
					.may_be_skipped = i & 2,
					.confined = i & 4,
					.broken = i & 8,
				});
	assert_int_equal(cells, 144);
	assert_int_equal(count[RUNAWAY_GUARD_LSM], 8);
	assert_int_equal(count[RUNAWAY_GUARD_FMOD], 6);
	assert_int_equal(count[RUNAWAY_GUARD_BEST_EFFORT], 10);
	assert_int_equal(count[RUNAWAY_GUARD_SECCOMP], 24);
	assert_int_equal(count[RUNAWAY_GUARD_NONE], 96);
}

static void lsm_lists(_unused_ void **state)
{
	assert_int_equal(guard_lsm_list(NULL), GUARD_LSM_UNKNOWN);
	assert_int_equal(guard_lsm_list(""), GUARD_LSM_NOT_LISTED);
	assert_int_equal(guard_lsm_list("lockdown,capability,yama,apparmor"), GUARD_LSM_NOT_LISTED);
	assert_int_equal(guard_lsm_list("capability,bpf"), GUARD_LSM_LISTED);
	assert_int_equal(guard_lsm_list("capability,bpf\n"), GUARD_LSM_LISTED);
	assert_int_equal(guard_lsm_list("bpf,capability"), GUARD_LSM_LISTED);
	assert_int_equal(guard_lsm_list("bpf"), GUARD_LSM_LISTED);
	assert_int_equal(guard_lsm_list("bpfx,xbpf,bp,f,bpg"), GUARD_LSM_NOT_LISTED);
}

static void words(_unused_ void **state)
{
	char code[3];

	for (int tier = RUNAWAY_GUARD_LSM; tier <= RUNAWAY_GUARD_NONE; tier++) {
		snprintf(code, sizeof(code), "T%d", tier);
		assert_string_equal(runaway_guard_tier_code((enum runaway_guard_tier)tier), code);
		assert_true(strlen(runaway_guard_tier_name((enum runaway_guard_tier)tier)) > 5);
	}
	assert_string_equal(runaway_guard_tier_name(RUNAWAY_GUARD_LSM), "kernel-enforced");
	for (int i = 0; i < RW_GATE_HOOKS; i++)
		assert_string_not_equal(runaway_guard_hook_name((enum rw_gate_hook)i), "unknown");
	for (int i = 0; i < RW_GATE_REASONS; i++)
		assert_string_not_equal(runaway_guard_reason_name((enum rw_gate_reason)i),
					"unknown");
	assert_string_equal(runaway_guard_hook_name(RW_GATE_HOOKS), "unknown");
	assert_string_equal(runaway_guard_reason_name((enum rw_gate_reason) - 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_table),
		cmocka_unit_test(lsm_lists),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

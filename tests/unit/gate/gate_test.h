/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_TEST_H
#define RUNAWAY_TESTS_GATE_TEST_H

/* What the tests of the gate share: documents in which nothing is wrong. */

/* cmocka wants these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/macros.h"
#include "gate/document.h"
#include "gate/judge.h"
#include "gate/key.h"

#define TEST_HOST     "ci-host-1"
#define TEST_BOOT     "0d1f5c3e-9c8d-4a2b-8f6e-1a2b3c4d5e6f"
#define TEST_INCIDENT "inc_20261122_0217_0123abcd"
/* Any moment will do: the rules know differences only. */
#define TEST_REAL_NS (UINT64_C(1795313835123) * NSEC_PER_MSEC)
#define TEST_BOOT_NS (UINT64_C(86400) * NSEC_PER_SEC)
#define TEST_SHA     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static _unused_
void set_text(char *to, size_t size, const char *text)
{
	assert_true(strlen(text) < size);
	memcpy(to, text, strlen(text) + 1);
}
#define SET(member, text) set_text((member), sizeof(member), (text))

static _unused_
void test_target(struct runaway_target *ret)
{
	*ret = (struct runaway_target){
		.pid = 4912,
		.start_ns = UINT64_C(86000123456789),
		.exec_id = 3,
		.exe_ino = UINT64_C(18446744073709551615),
		.exe_dev = 8 << 20 | 1,
		.uid = 1000,
		.cgroup_id = 4711,
		.parent_pid = 1,
		.parent_start_ns = 1000,
	};
	SET(ret->args_sha256, TEST_SHA);
	SET(ret->comm, "chromium");
	SET(ret->exe, "/usr/lib/chromium/chromium");
	SET(ret->cgroup_path, "/ci/job-4711");
	SET(ret->reason, "root of the orphan tree");
}

/* Made at TEST_REAL_NS and TEST_BOOT_NS, good for an hour. */
static _unused_
void test_plan(struct runaway_plan *ret)
{
	*ret = (struct runaway_plan){
		.requester_uid = 1001,
		.created_realtime_ns = TEST_REAL_NS,
		.expires_realtime_ns = TEST_REAL_NS + 3600 * NSEC_PER_SEC,
		.created_boot_ns = TEST_BOOT_NS,
		.expires_boot_ns = TEST_BOOT_NS + 3600 * NSEC_PER_SEC,
		.post_check = { .count = 2, .grace_s = 10 },
		.target_count = 1,
	};
	SET(ret->incident_id, TEST_INCIDENT);
	SET(ret->host_label, TEST_HOST);
	SET(ret->boot_id, TEST_BOOT);
	SET(ret->lane_id, "orphan_browser_smoke_runaway_process");
	SET(ret->action_policy, RUNAWAY_PLAN_POLICY);
	SET(ret->rule, "cpu_cores 0.857 over 0.5 for 60 s");
	SET(ret->rule_sha256, TEST_SHA);
	SET(ret->requester, "olga");
	SET(ret->expected_effect, "the tree of 10 processes ends");
	SET(ret->nonce, "plan-1");
	SET(ret->post_check.check[0], RUNAWAY_CHECK_TARGETS_GONE);
	SET(ret->post_check.check[1], "cpu_fell");
	test_target(&ret->target[0]);
}

/* Given a minute after the plan, for a window of half an hour that is open then. */
static _unused_
void test_approval(const char *plan_sha256, struct runaway_approval *ret)
{
	const uint64_t minute = 60 * NSEC_PER_SEC;

	*ret = (struct runaway_approval){
		.approver_uid = 1002,
		.two_person = true,
		.window_start_realtime_ns = TEST_REAL_NS,
		.window_end_realtime_ns = TEST_REAL_NS + 30 * minute,
		.approved_realtime_ns = TEST_REAL_NS + minute,
		.approved_boot_ns = TEST_BOOT_NS + minute,
		.deadline_boot_ns = TEST_BOOT_NS + 30 * minute,
		.clock_offset_ns = (int64_t)(TEST_REAL_NS - TEST_BOOT_NS),
	};
	SET(ret->incident_id, TEST_INCIDENT);
	SET(ret->plan_sha256, plan_sha256);
	SET(ret->host_label, TEST_HOST);
	SET(ret->boot_id, TEST_BOOT);
	SET(ret->owner, "anna");
	SET(ret->requester, "olga");
	SET(ret->evidence_ref, "https://ci.example/job/4711");
	SET(ret->nonce, "approval-1");
}

/* A configured key of that owner. */
static _unused_
void test_key(struct runaway_gate_config *c, const char *owner, const struct runaway_key *key)
{
	SET(c->key[c->key_count].owner, owner);
	SET(c->key[c->key_count].public_hex, key->public_hex);
	SET(c->key[c->key_count].id, key->id);
	c->key_count++;
}

#endif

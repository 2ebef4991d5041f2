/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_FACTS_H
#define RUNAWAY_TESTS_GATE_FACTS_H

/* Facts of which nothing speaks against a signal. Each test spoils what it is about. */

#include "gate/gate_test.h"
#include "gate/judge.h"

#define MINUTE (60 * NSEC_PER_SEC)

struct scene {
	struct runaway_gate_config config;
	struct runaway_gate_self self;
	struct runaway_history history;
	struct runaway_plan plan;
	struct runaway_approval approval;
	struct runaway_facts facts;
	struct runaway_seen seen;
	struct runaway_target *target; /* the plan's first */
};

static _unused_
void scene_seen(const struct runaway_target *t, struct runaway_seen *ret)
{
	*ret = (struct runaway_seen){
		.id = { .start_boottime_ns = t->start_ns,
			.exec_id = t->exec_id,
			.exe_ino = t->exe_ino,
			.cgroup_id = t->cgroup_id,
			.parent_start_boottime_ns = t->parent_start_ns,
			.exe_dev = t->exe_dev,
			.tgid = t->pid,
			.parent_tgid = t->parent_pid,
			.uid = t->uid,
			.flags = RW_GATE_ID_PARENT_REAPER,
			.comm = "chromium" },
	};
	SET(ret->args_sha256, t->args_sha256);
	SET(ret->cgroup_path, t->cgroup_path);
}

/* Two minutes after the plan, one after the approval. */
static _unused_
void scene_set(struct scene *s)
{
	runaway_glob_list_free(&s->config.protect);
	runaway_history_free(&s->history);
	*s = (struct scene){
		.config = { .two_person = true,
			    .budget_per_hour = 3,
			    .settle_s = 60,
			    .approval_max_age_s = 3600,
			    .plan_max_age_s = 3600,
			    .window_max_s = 7200,
			    .clock_tolerance_ms = 2000 },
		.self = { .daemon_pid = 100,
			  .authoriser_pid = 101,
			  .actuator_pid = 102,
			  .ancestor = { 90, 1 },
			  .ancestor_count = 2 },
		.facts = { .now = { TEST_REAL_NS + 2 * MINUTE, TEST_BOOT_NS + 2 * MINUTE, false },
			   .rule_matches = true,
			   .plan_state = RUNAWAY_DOCUMENT_READ,
			   .approval_state = RUNAWAY_DOCUMENT_READ },
		.target = &s->plan.target[0],
	};
	SET(s->config.host_label, TEST_HOST);
	SET(s->self.boot_id, TEST_BOOT);
	SET(s->self.cgroup_path, "/system.slice/runawayd.service");
	SET(s->facts.plan_sha256, TEST_SHA);
	test_plan(&s->plan);
	test_approval(TEST_SHA, &s->approval);
	s->facts.config = &s->config;
	s->facts.self = &s->self;
	s->facts.history = &s->history;
	s->facts.plan = &s->plan;
	s->facts.approval = &s->approval;
	scene_seen(s->target, &s->seen);
}

static _unused_
void scene_free(struct scene *s)
{
	runaway_glob_list_free(&s->config.protect);
	runaway_history_free(&s->history);
}

/* What the whole judgement says: the conditions first, then the target. */
static inline enum runaway_reason scene_judge(const struct scene *s)
{
	enum runaway_reason reason = runaway_judge(&s->facts);

	return reason != RUNAWAY_REASON_NONE || !s->facts.plan
		       ? reason
		       : runaway_judge_target(&s->facts, s->target, &s->seen);
}

static _unused_
void scene_intent(struct scene *s, uint64_t boot_ns, const char *lane, bool drill)
{
	struct runaway_intent i = { .boot_ns = boot_ns,
				    .drill = drill,
				    .seq = s->history.count + 1 };

	SET(i.lane_id, lane);
	SET(i.nonce, "another");
	assert_int_equal(runaway_history_add(&s->history, &i), 0);
}

#define assert_reason(s, id) assert_string_equal(runaway_reason_name(scene_judge(s)), (id))

#endif

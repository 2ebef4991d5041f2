/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is it the process of the plan, and is it one that may be signalled at all? */
#include "gate/one_scene.h"

#define assert_target(expected)                                                                    \
	assert_string_equal(                                                                       \
		runaway_reason_name(runaway_judge_target(&s->facts, s->target, &s->seen)),         \
		(expected))

/* One member spoilt, the reason, and everything as it was. */
#define spoilt(member, value, expected)                                                            \
	do {                                                                                       \
		scene_set(s);                                                                      \
		(member) = (value);                                                                \
		assert_target(expected);                                                           \
	} while (0)

static void half_told_identities(_unused_ void **state)
{
	assert_target("");
	spoilt(s->target->pid, 0, "target_incomplete");
	spoilt(s->target->start_ns, 0, "target_incomplete");
	spoilt(s->target->exec_id, 0, "target_incomplete");
	spoilt(s->target->exe_ino, 0, "target_incomplete");
	spoilt(s->target->cgroup_id, 0, "target_incomplete");
	spoilt(s->target->parent_pid, 0, "target_incomplete");
	spoilt(s->target->parent_start_ns, 0, "target_incomplete");
	spoilt(s->target->args_sha256[0], '\0', "target_incomplete");
	spoilt(s->target->cgroup_path[0], '\0', "target_incomplete");
}

static void another_process_or_program(_unused_ void **state)
{
	spoilt(s->seen.failed, RUNAWAY_REASON_TARGET_GONE, "target_gone");
	spoilt(s->seen.failed, RUNAWAY_REASON_TARGET_UNREADABLE, "target_unreadable");
	spoilt(s->seen.id.tgid, 4913, "target_other_start");
	spoilt(s->seen.id.start_boottime_ns, 1, "target_other_start");
	spoilt(s->seen.id.exec_id, 4, "target_other_exec");
	spoilt(s->seen.id.exe_ino, 1, "target_other_exe");
	spoilt(s->seen.id.exe_dev, 1, "target_other_exe");
	spoilt(s->seen.id.uid, 0, "target_other_uid");
	spoilt(s->seen.id.cgroup_id, 1, "target_other_cgroup");
	spoilt(s->seen.cgroup_path[1], 'x', "target_other_cgroup");
	spoilt(s->seen.args_sha256[0], 'f', "target_other_args");
	spoilt(s->seen.id.parent_tgid, 2, "target_not_orphan");
	spoilt(s->seen.id.parent_start_boottime_ns, 2, "target_not_orphan");
	spoilt(s->seen.id.flags, 0, "target_not_orphan");
}

static void signalled_before(_unused_ void **state)
{
	struct runaway_intent i = { .pid = s->target->pid, .start_ns = s->target->start_ns };

	SET(i.plan_sha256, TEST_SHA);
	assert_int_equal(runaway_history_add(&s->history, &i), 0);
	assert_target("already_signalled");
	s->facts.acting = true;
	assert_target("");
	s->facts.acting = false;
	s->history.intent[0].pid++;
	assert_target("");
	s->history.intent[0].pid--;
	s->history.intent[0].start_ns++;
	assert_target("");
	s->history.intent[0].start_ns--;
	s->history.intent[0].plan_sha256[0] = 'f';
	assert_target("");
}

/* ---- never, whatever a plan says (G11) ---- */

static void both_pids(uint32_t pid)
{
	scene_set(s);
	s->target->pid = s->seen.id.tgid = pid;
}

static void the_gate_and_what_it_hangs_on(_unused_ void **state)
{
	both_pids(1);
	assert_target("protected_init");
	both_pids(2);
	assert_target("");
	spoilt(s->seen.id.flags, RW_GATE_ID_PARENT_REAPER | RW_GATE_ID_INIT, "protected_init");
	spoilt(s->seen.id.flags, RW_GATE_ID_PARENT_REAPER | RW_GATE_ID_KTHREAD,
	       "protected_kthread");
	both_pids(100);
	assert_target("protected_daemon");
	both_pids(101);
	assert_target("protected_gate");
	both_pids(102);
	assert_target("protected_gate");
	spoilt(s->seen.id.parent_tgid, 101, "protected_gate");
	both_pids(90);
	assert_target("protected_ancestor");
}

static void in_cgroup(const char *path)
{
	scene_set(s);
	SET(s->target->cgroup_path, path);
	SET(s->seen.cgroup_path, path);
}

static void own_cgroup_and_those_above(_unused_ void **state)
{
	static const char *const above[] = { "/", "/system.slice",
					     "/system.slice/runawayd.service" };
	static const char *const beside[] = { "/system", "/system.slice/runawayd.service/x",
					      "/system.slice/run",
					      "/system.slice/runawayd.services", "/user.slice" };

	for (size_t i = 0; i < ARRAY_SIZE(above); i++) {
		in_cgroup(above[i]);
		assert_target("protected_cgroup");
	}
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		in_cgroup(beside[i]);
		assert_target("");
	}
}

static void managers_of_containers(_unused_ void **state)
{
	static const char *const never[] = {
		"containerd",  "containerd-shim", "conmon",	   "conmonrs", "dockerd",
		"docker-init", "docker-proxy",	  "podman",	   "crio",     "crun",
		"runc",	       "runc:[2:INIT]",	  "kubelet",	   "tini",     "catatonit",
		"dumb-init",   "systemd",	  "systemd-logi",  "(sd-pam)", "lxc-start",
		"runawayd",    "runaway-gate",	  "rw-gate-probe",
	};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		scene_set(s);
		SET(s->seen.id.comm, never[i]);
		assert_target("protected_shim");
		scene_set(s);
		snprintf(s->target->exe, sizeof(s->target->exe), "/usr/bin/%s", never[i]);
		assert_target("protected_shim");
		SET(s->target->exe, never[i]);
		assert_target("protected_shim");
	}
	SET(s->target->exe, "/opt/containerd/chrome");
	assert_target("");
}

static void listed_processes(_unused_ void **state)
{
	assert_int_equal(runaway_glob_list_add(&s->config.protect, "precious*"), 0);
	assert_int_equal(runaway_glob_list_add(&s->config.protect, "/opt/db/*"), 0);
	assert_target("");
	SET(s->seen.id.comm, "precious-db");
	assert_target("protected_list");
	SET(s->seen.id.comm, "x");
	SET(s->target->exe, "/usr/bin/precious");
	assert_target("protected_list");
	SET(s->target->exe, "/opt/db/bin/x");
	assert_target("protected_list");
	SET(s->target->exe, "/opt/x");
	assert_target("");
	assert_int_equal(runaway_glob_list_add(&s->config.protect, "/opt/x"), 0);
	assert_target("protected_list");
	scene_set(s);
	assert_int_equal(runaway_glob_list_add(&s->config.protect, s->target->exe), 0);
	assert_target("protected_list");
}

/* ---- drills ---- */

static void drills_own_targets_only(_unused_ void **state)
{
	struct runaway_key key;
	char path[RUNAWAY_PATH];

	runaway_key_generate(&key);
	s->plan.drill = true;
	SET(s->approval.drill_key, key.public_hex);
	assert_target("drill_target");
	s->seen.id.exec_id++;
	assert_target("target_other_exec");
	s->seen.id.exec_id--;
	snprintf(path, sizeof(path), "/a/runaway-drill-%s", key.id);
	SET(s->seen.cgroup_path, path);
	SET(s->target->cgroup_path, path);
	assert_target("");
	/* Before there is an approval, the name alone. */
	s->facts.approval = NULL;
	assert_target("");
	SET(s->seen.cgroup_path, "/a/runaway-drill");
	SET(s->target->cgroup_path, "/a/runaway-drill");
	assert_target("drill_target");
	s->facts.approval = &s->approval;
	snprintf(path, sizeof(path), "/a/runaway-drill-%s/x", key.id);
	SET(s->seen.cgroup_path, path);
	SET(s->target->cgroup_path, path);
	assert_target("drill_target");
	runaway_key_generate(&key);
	snprintf(path, sizeof(path), "/a/runaway-drill-%s", key.id);
	SET(s->seen.cgroup_path, path);
	SET(s->target->cgroup_path, path);
	assert_target("drill_target");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(half_told_identities),	  TEST(another_process_or_program),
		TEST(signalled_before),		  TEST(the_gate_and_what_it_hangs_on),
		TEST(own_cgroup_and_those_above), TEST(managers_of_containers),
		TEST(listed_processes),		  TEST(drills_own_targets_only),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

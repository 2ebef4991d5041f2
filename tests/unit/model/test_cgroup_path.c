/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as runtimes, kubelet and systemd make them. */

#include "model/harness.h"

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID  "2f3a7c1e-1b2c-4d5e-8f90-a1b2c3d4e5f6"
#define UID_ "2f3a7c1e_1b2c_4d5e_8f90_a1b2c3d4e5f6"
#define HEX2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define POD  "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice"

static const struct {
	const char *path, *container, *pod, *unit, *runtime;
} cases[] = {
	{ "/", NULL, NULL, NULL, NULL },
	{ "", NULL, NULL, NULL, NULL },
	{ "//", NULL, NULL, NULL, NULL },
	{ "/system.slice/docker-" HEX ".scope", HEX, NULL, "docker-" HEX ".scope", "docker" },
	{ "/docker/" HEX, HEX, NULL, NULL, "docker" },
	{ "/docker/" HEX "/init.scope", HEX, NULL, "init.scope", "docker" },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" HEX ".scope",
	  HEX, UID, "cri-containerd-" HEX ".scope", "containerd" },
	{ "/kubepods/besteffort/pod" UID "/" HEX, HEX, UID, NULL, NULL },
	{ "/kubepods/pod" UID "/" HEX, HEX, UID, NULL, NULL },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" HEX ".scope", HEX, UID,
	  "crio-" HEX ".scope", "crio" },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" HEX ".scope", NULL, UID,
	  "crio-conmon-" HEX ".scope", NULL },
	{ "/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" HEX, HEX, UID, NULL,
	  "containerd" },
	{ "/system.slice/containerd.service/kubepods-besteffort-pod" UID_
	  ".slice:cri-containerd:" HEX,
	  HEX, UID, "containerd.service", "containerd" },
	/* Every runtime below kubelet, both cgroup drivers, every class of service */
	{ "/" POD "/docker-" HEX ".scope", HEX, UID, "docker-" HEX ".scope", "docker" },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	  ".slice/cri-containerd-" HEX ".scope",
	  HEX, UID, "cri-containerd-" HEX ".scope", "containerd" },
	{ "/" POD "/crio-" HEX ".scope/container", HEX, UID, "crio-" HEX ".scope", "crio" },
	{ "/kubepods/burstable/pod" UID "/crio-" HEX, HEX, UID, NULL, "crio" },
	{ "/kubepods/burstable/pod" UID "/crio-conmon-" HEX, NULL, UID, NULL, NULL },
	{ "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/" HEX, HEX,
	  "0123456789abcdef0123456789abcdef", NULL, NULL },
	{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_
	  ".slice/cri-containerd-" HEX ".scope",
	  HEX, UID, "cri-containerd-" HEX ".scope", "containerd" },
	/* A node that is a container itself (kind): the innermost counts */
	{ "/docker/" HEX2 "/kubelet/kubepods/pod" UID "/" HEX, HEX, UID, NULL, NULL },
	{ "/system.slice/docker-" HEX2 ".scope/" POD "/cri-containerd-" HEX ".scope", HEX, UID,
	  "cri-containerd-" HEX ".scope", "containerd" },
	/* Docker in docker, in a pod, below a parent of the user's choice, on ECS */
	{ "/docker/" HEX2 "/docker/" HEX, HEX, NULL, NULL, "docker" },
	{ "/kubepods/besteffort/pod" UID "/" HEX2 "/docker/" HEX, HEX, UID, NULL, "docker" },
	{ "/ci.slice/docker-" HEX ".scope", HEX, NULL, "docker-" HEX ".scope", "docker" },
	{ "/ci/jobs/" HEX, HEX, NULL, NULL, NULL },
	{ "/docker/" HEX2 "/inner/" HEX, HEX, NULL, NULL, NULL },
	{ "/ecs/cluster/0123456789abcdef0123456789abcdef/" HEX, HEX, NULL, NULL, NULL },
	{ "/default/" HEX, HEX, NULL, NULL, NULL },
	{ "/system.slice/nerdctl-" HEX ".scope", HEX, NULL, "nerdctl-" HEX ".scope", "containerd" },
	{ "/containerd/" HEX, HEX, NULL, NULL, "containerd" },
	/* Podman: pods, quadlets, conmon beside the container */
	{ "/machine.slice/machine-libpod_pod_" HEX2 ".slice/libpod-" HEX ".scope", HEX, NULL,
	  "libpod-" HEX ".scope", "podman" },
	{ "/system.slice/web.service/libpod-payload-" HEX, HEX, NULL, "web.service", "podman" },
	{ "/machine.slice/libpod-conmon-" HEX ".scope", NULL, NULL, "libpod-conmon-" HEX ".scope",
	  NULL },
	{ "/libpod/" HEX, HEX, NULL, NULL, "podman" },
	/* Slices of node agents are units, not containers */
	{ "/runtime.slice/containerd.service", NULL, NULL, "containerd.service", NULL },
	{ "/kube.slice/kubelet.service", NULL, NULL, "kubelet.service", NULL },
	{ "/podruntime.slice/kubelet.service", NULL, NULL, "kubelet.service", NULL },
	{ "/azure.slice/walinuxagent.service", NULL, NULL, "walinuxagent.service", NULL },
	{ "/reserved.slice/sshd.service", NULL, NULL, "sshd.service", NULL },
	{ "/machine.slice/libpod-" HEX ".scope/container", HEX, NULL, "libpod-" HEX ".scope",
	  "podman" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" HEX ".scope/container",
	  HEX, NULL, "libpod-" HEX ".scope", "podman" },
	{ "/libpod_parent/libpod-" HEX, HEX, NULL, NULL, "podman" },
	{ "/lxc/web1", "web1", NULL, NULL, "lxc" },
	{ "/lxc.payload.web1", "web1", NULL, NULL, "lxc" },
	{ "/lxc.payload.web1/system.slice/nginx.service", "web1", NULL, "nginx.service", "lxc" },
	{ "/system.slice/ssh.service", NULL, NULL, "ssh.service", NULL },
	{ "/user.slice/user-1000.slice/session-3.scope", NULL, NULL, "session-3.scope", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service", NULL, NULL,
	  "app-x.service", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/init.scope", NULL, NULL, "init.scope",
	  NULL },
	{ "/system.slice/system-getty.slice/getty@tty1.service", NULL, NULL, "getty@tty1.service",
	  NULL },
	{ "/system.slice/dev-disk\\x2dby.mount", NULL, NULL, "dev-disk-by.mount", NULL },
	{ "/system.slice/a\\x0ab.service", NULL, NULL, "a\\x0ab.service", NULL },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", NULL, NULL, "machine-qemu-1-vm.scope",
	  NULL },
	/* Nearly, but not */
	{ "/docker/0123", NULL, NULL, NULL, NULL },
	{ "/docker/" HEX "0", NULL, NULL, NULL, NULL },
	{ "/other/" HEX "g", NULL, NULL, NULL, NULL },
	{ "/lxc.monitor.web1", NULL, NULL, NULL, NULL },
	{ "/kubepods/podX:" UID, NULL, NULL, NULL, NULL },
	{ "/docker-" HEX ".scope.d", NULL, NULL, NULL, NULL },
	{ "/pod" UID "/x", NULL, NULL, NULL, NULL },
	{ "/kubepods/podnot-a-uid/x", NULL, NULL, NULL, NULL },
	{ "/.service", NULL, NULL, NULL, NULL },
	{ "/lxc.payload.", NULL, NULL, NULL, NULL },
};

static void same(const char *path, const char *got, const char *want)
{
	if (!got && !want)
		return;
	if (!got || !want || strcmp(got, want) != 0)
		fail_msg("%s: got %s, want %s", path, got ? got : "(none)", want ? want : "(none)");
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct runaway_cgroup_names n;

		assert_int_equal(runaway_cgroup_names_parse(cases[i].path, &n), 0);
		same(cases[i].path, n.container_id, cases[i].container);
		same(cases[i].path, n.pod_uid, cases[i].pod);
		same(cases[i].path, n.unit, cases[i].unit);
		same(cases[i].path, n.runtime, cases[i].runtime);
		runaway_cgroup_names_free(&n);
	}
}

static void test_ci_containers(void **state)
{
	static const char *const yes[] = {
		"/docker/GITEA-ACTIONS-TASK-12-WORKFLOW-ci-JOB-build-" HEX,
		"/lxc/runner-ab12-project-7-concurrent-0-0123456789abcdef-build",
		"/system.slice/docker-drone-abcdefghij0123456789.scope",
		"/lxc.payload.wp_01hxyz",
		"/x/act-CI-build-" HEX "/inner",
	};
	static const char *const no[] = {
		"/",
		"",
		"/docker/" HEX,
		"/system.slice/actions.runner.org.host.service",
		"/system.slice/drone-runner-exec.service",
		"/system.slice/ssh.service",
		"/runner-x/project",
		"/act",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(runaway_cgroup_path_is_ci(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(runaway_cgroup_path_is_ci(no[i]));
	assert_false(runaway_cgroup_path_is_ci(NULL));
}

static void test_hostile_paths(void **state)
{
	char deep[4096], name[300];
	struct runaway_cgroup_names n;

	(void)state;
	for (size_t i = 0; i < sizeof(deep) - 1; i++)
		deep[i] = i % 2 ? '\n' : '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(runaway_cgroup_names_parse(deep, &n), 0);
	runaway_cgroup_names_free(&n);
	assert_false(runaway_cgroup_path_is_ci(deep));
	memset(name, '%', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	memcpy(name + 250, "\\x2\xff", 4);
	memcpy(name + sizeof(name) - 9, ".service", 8);
	assert_int_equal(runaway_cgroup_names_parse(name, &n), 0);
	assert_non_null(n.unit);
	runaway_cgroup_names_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ci_containers),
		cmocka_unit_test(test_hostile_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

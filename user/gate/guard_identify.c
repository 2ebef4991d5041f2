// SPDX-License-Identifier: GPL-2.0-or-later
/* A process as the kernel knows it, all of it at one moment. */

#include <fcntl.h>
#include <sys/wait.h>

#include "gate/guard_priv.h"

int guard_identify_open(struct runaway_guard *g)
{
	struct bpf_program *prog;
	struct bpf_link *link;
	int r;

	g->who = rw_gate_bpf__open();
	if (!g->who)
		return -errno;
	bpf_object__for_each_program(prog, g->who->obj)
		bpf_program__set_autoload(prog, prog == g->who->progs.rw_gate_who);
	g->who->rodata->rw_gate_ssid = g->cgroup_ssid;
	r = rw_gate_bpf__load(g->who);
	if (r < 0)
		return r;
	link = bpf_program__attach_iter(g->who->progs.rw_gate_who, NULL);
	if (!link)
		return -errno;
	g->who_link = link;
	return 0;
}

/* The walk writes one record or none; a kernel that visited a million tasks wants to be asked
 * again. */
static int read_record(int fd, struct rw_gate_identity *ret)
{
	struct rw_gate_identity id;
	bool found = false;
	ssize_t n;

	while ((n = read(fd, &id, sizeof(id))) != 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0 && n != (ssize_t)sizeof(id))
			return -EIO;
		if (n > 0) {
			*ret = id;
			found = true;
		}
	}
	return found ? 0 : -ESRCH;
}

int runaway_guard_identify(struct runaway_guard *g, pid_t tgid, struct rw_gate_identity *ret)
{
	struct rw_gate_identity id;
	_cleanup_close_ int fd = -1;
	int r;

	if (!g->who_link)
		return -ENOTSUP;
	if (tgid <= 0)
		return -ESRCH;
	g->who->bss->rw_gate_ask = (uint32_t)tgid;
	fd = bpf_iter_create(bpf_link__fd(g->who_link));
	if (fd < 0)
		return fd;
	r = read_record(fd, &id);
	if (r < 0)
		return r;
	*ret = id;
	return 0;
}

static int try_unprivileged(struct runaway_guard *g, uid_t uid, gid_t gid)
{
	struct rw_gate_identity id;
	struct rw_gate_authz authz = { 0 };
	uint32_t nobody = 0;
	int r;

	r = guard_become(uid, gid);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(bpf_map__fd(g->who->maps.rw_gate_authz), &nobody, &authz,
				BPF_EXIST);
	if (r != -ENOENT)
		return r;
	return runaway_guard_identify(g, getppid(), &id);
}

bool guard_works_unprivileged(struct runaway_guard *g, uid_t uid, gid_t gid)
{
	pid_t pid = fork();
	int status = -1;

	if (pid < 0)
		return false;
	if (pid == 0)
		_exit(try_unprivileged(g, uid, gid) == 0 ? 0 : 1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

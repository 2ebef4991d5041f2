/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is it the process that was approved, and may it be signalled at all? */
#include <fnmatch.h>
#include <string.h>

#include "base/macros.h"
#include "gate/judge.h"
#include "gate/key.h"

#define REASON(id) RUNAWAY_REASON_##id

/* Managers of containers and of services: their end would end what they watch over. */
static const char *const shims[] = {
	"containerd*", "conmon*",   "dockerd",	    "docker-init", "docker-proxy",
	"podman",      "crio",	    "crun",	    "runc*",	   "kubelet",
	"tini",	       "catatonit", "dumb-init",    "systemd*",	   "(sd-pam)",
	"lxc-*",       "runawayd",  "runaway-gate", "rw-gate-*",
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_shim(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shims); i++)
		if (fnmatch(shims[i], name, 0) == 0)
			return true;
	return false;
}

static bool is_listed(const struct runaway_gate_config *config, const char *comm, const char *exe)
{
	return runaway_glob_list_match(&config->protect, comm) >= 0 ||
	       runaway_glob_list_match(&config->protect, exe) >= 0 ||
	       runaway_glob_list_match(&config->protect, last_part(exe)) >= 0;
}

/* Is `path` the cgroup `own` or one of those that hold it? */
static bool is_above(const char *path, const char *own)
{
	size_t len = strlen(path);

	if (strcmp(path, "/") == 0)
		return true;
	return strncmp(path, own, len) == 0 && (own[len] == '\0' || own[len] == '/');
}

static bool is_ancestor(const struct runaway_gate_self *self, uint32_t pid)
{
	for (size_t i = 0; i < self->ancestor_count; i++)
		if (self->ancestor[i] == pid)
			return true;
	return false;
}

/* Whatever a plan says: these never. */
static enum runaway_reason judge_protected(const struct runaway_facts *f,
					   const struct runaway_target *planned,
					   const struct runaway_seen *seen)
{
	const struct runaway_gate_self *self = f->self;
	const struct rw_gate_identity *id = &seen->id;

	if (id->flags & RW_GATE_ID_INIT)
		return REASON(PROTECTED_INIT);
	if (id->flags & RW_GATE_ID_KTHREAD)
		return REASON(PROTECTED_KTHREAD);
	if (id->tgid == self->daemon_pid)
		return REASON(PROTECTED_DAEMON);
	/* Its children are the self-test's. */
	if (id->tgid == self->authoriser_pid || id->tgid == self->actuator_pid ||
	    id->parent_tgid == self->authoriser_pid)
		return REASON(PROTECTED_GATE);
	if (is_ancestor(self, id->tgid))
		return REASON(PROTECTED_ANCESTOR);
	if (is_above(seen->cgroup_path, self->cgroup_path))
		return REASON(PROTECTED_CGROUP);
	if (is_shim(id->comm) || is_shim(last_part(planned->exe)))
		return REASON(PROTECTED_SHIM);
	if (is_listed(f->config, id->comm, planned->exe))
		return REASON(PROTECTED_LIST);
	return REASON(NONE);
}

static bool is_whole(const struct runaway_target *t)
{
	return t->pid > 0 && t->start_ns > 0 && t->exec_id > 0 && t->exe_ino > 0 &&
	       t->cgroup_id > 0 && t->parent_pid > 0 && t->parent_start_ns > 0 &&
	       t->args_sha256[0] != '\0' && t->cgroup_path[0] != '\0';
}

/* Still the same program, of the same user, in the same place? */
static enum runaway_reason judge_identity(const struct runaway_target *planned,
					  const struct runaway_seen *seen)
{
	const struct rw_gate_identity *id = &seen->id;

	if (id->exec_id != planned->exec_id)
		return REASON(TARGET_OTHER_EXEC);
	if (id->exe_ino != planned->exe_ino || id->exe_dev != planned->exe_dev)
		return REASON(TARGET_OTHER_EXE);
	if (id->uid != planned->uid)
		return REASON(TARGET_OTHER_UID);
	if (id->cgroup_id != planned->cgroup_id ||
	    strcmp(seen->cgroup_path, planned->cgroup_path) != 0)
		return REASON(TARGET_OTHER_CGROUP);
	if (strcmp(seen->args_sha256, planned->args_sha256) != 0)
		return REASON(TARGET_OTHER_ARGS);
	if (id->parent_tgid != planned->parent_pid ||
	    id->parent_start_boottime_ns != planned->parent_start_ns ||
	    !(id->flags & RW_GATE_ID_PARENT_REAPER))
		return REASON(TARGET_NOT_ORPHAN);
	return REASON(NONE);
}

/* Only root can put a process into a cgroup of that name, and the name binds it to the key. */
#define DRILL_PREFIX "runaway-drill-"

static bool is_drills_own(const struct runaway_facts *f, const struct runaway_seen *seen)
{
	char leaf[sizeof(DRILL_PREFIX) + RUNAWAY_KEY_ID_HEX] = DRILL_PREFIX;

	/* A dry-run of a drill comes before its approval. */
	if (!f->approval)
		return strncmp(last_part(seen->cgroup_path), DRILL_PREFIX, strlen(DRILL_PREFIX)) ==
		       0;
	runaway_key_id(f->approval->drill_key, leaf + strlen(DRILL_PREFIX));
	return strcmp(last_part(seen->cgroup_path), leaf) == 0;
}

enum runaway_reason runaway_judge_target(const struct runaway_facts *f,
					 const struct runaway_target *planned,
					 const struct runaway_seen *seen)
{
	enum runaway_reason reason;

	if (!is_whole(planned))
		return REASON(TARGET_INCOMPLETE);
	if (planned->pid == 1)
		return REASON(PROTECTED_INIT);
	if (!f->acting &&
	    runaway_history_has_target(f->history, f->plan_sha256, planned->pid, planned->start_ns))
		return REASON(ALREADY_SIGNALLED);
	if (seen->failed != REASON(NONE))
		return seen->failed;
	if (seen->id.tgid != planned->pid || seen->id.start_boottime_ns != planned->start_ns)
		return REASON(TARGET_OTHER_START);
	reason = judge_protected(f, planned, seen);
	if (reason == REASON(NONE))
		reason = judge_identity(planned, seen);
	if (reason == REASON(NONE) && f->plan->drill && !is_drills_own(f, seen))
		reason = REASON(DRILL_TARGET);
	return reason;
}

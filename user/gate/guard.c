// SPDX-License-Identifier: GPL-2.0-or-later
/* The guard from start to end: who is guarded, which kind holds, one signal at a time. */

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "base/log.h"
#include "gate/guard_priv.h"

/* A kind that does not load here is an answer, not a fault. */
static _printf_(2, 0) int to_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level != LIBBPF_DEBUG)
		runaway_log_lines(RUNAWAY_LOG_DEBUG, fmt, args);
	return 0;
}

/* Id of a v2 cgroup: the inode of its folder. */
static int cgroup_id(const char *folder, __u64 *ret)
{
	struct statfs fs;
	struct stat st;

	if (statfs(folder, &fs) < 0 || stat(folder, &st) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(st.st_mode))
		return -EINVAL;
	*ret = st.st_ino;
	return 0;
}

static int name_subject(struct runaway_guard *g, size_t slot, pid_t pid, uint32_t may)
{
	struct rw_gate_identity id;
	int r = runaway_guard_identify(g, pid, &id);

	if (r < 0)
		return r;
	g->conf.subjects[slot] = (struct rw_gate_subject){ id.start_boottime_ns, id.tgid, may };
	return 0;
}

static int name_subjects(struct runaway_guard *g, const struct runaway_guard_config *c)
{
	size_t i;
	int r;

	for (i = 0; i < c->n_subjects; i++) {
		r = name_subject(g, i, c->subjects[i].pid, c->subjects[i].may);
		if (r < 0)
			return r;
	}
	return name_subject(g, i, g->pair.prober, RW_GATE_MAY_TERM);
}

static enum guard_lsm_list ask_lsm_list(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (runaway_read_file(AT_FDCWD, "/sys/kernel/security/lsm", 4096, &b) < 0)
		return guard_lsm_list(NULL);
	return guard_lsm_list(b.data ? b.data : "");
}

static void set_tier(struct runaway_guard *g, bool broken)
{
	g->tier = guard_decide(&(struct guard_proof){
		.kind = g->kind,
		.passed = g->report.passed,
		.may_be_skipped = g->kind == GUARD_KIND_FMOD && guard_may_be_skipped(g),
		.lsm = g->lsm,
		.confined = g->confined,
		.broken = broken,
	});
}

static const char *lsm_note(const struct runaway_guard *g)
{
	switch (g->lsm) {
	case GUARD_LSM_LISTED:
		return "";
	case GUARD_LSM_NOT_LISTED:
		return " (bpf is not in /sys/kernel/security/lsm)";
	case GUARD_LSM_UNKNOWN:
		break;
	}
	return " (/sys/kernel/security/lsm cannot be read)";
}

/* Attaches one kind and tries it. 0: it holds. */
static int try_kind(struct runaway_guard *g, enum guard_kind kind, char *why, size_t size)
{
	int r = guard_load(g, kind, why, size);

	if (r < 0)
		return r;
	r = guard_self_test_run(g, &g->report);
	if (r == 0 && g->report.passed)
		return 0;
	snprintf(why, size, "attached, but the self-test failed: %s", g->report.why);
	guard_unload(g);
	return r < 0 ? r : -EPERM;
}

static void settle(struct runaway_guard *g)
{
	char lsm[160] = "not tried", fmod[160] = "not tried";
	int r = -EPERM;

	if (!g->only || g->only & RUNAWAY_GUARD_ONLY_LSM)
		r = try_kind(g, GUARD_KIND_LSM, lsm, sizeof(lsm));
	if (r < 0 && (!g->only || g->only & RUNAWAY_GUARD_ONLY_FMOD))
		r = try_kind(g, GUARD_KIND_FMOD, fmod, sizeof(fmod));
	set_tier(g, false);
	if (g->kind == GUARD_KIND_LSM)
		snprintf(g->why, sizeof(g->why), "BPF LSM attached and its self-test passed%s",
			 lsm_note(g));
	else if (g->kind == GUARD_KIND_FMOD)
		snprintf(g->why, sizeof(g->why),
			 "fmod_ret attached and its self-test passed%s; LSM: %s%s",
			 g->tier == RUNAWAY_GUARD_FMOD
				 ? ""
				 : ", but this kernel may skip it under preemption",
			 lsm, lsm_note(g));
	else
		snprintf(g->why, sizeof(g->why), "no kernel guard: LSM: %s%s; fmod_ret: %s", lsm,
			 lsm_note(g), fmod);
}

static int check_config(const struct runaway_guard_config *c)
{
	if (c->n_subjects > ARRAY_SIZE(c->subjects) || c->uid == 0)
		return -EINVAL;
	for (size_t i = 0; i < c->n_subjects; i++)
		if (c->subjects[i].pid <= 0)
			return -EINVAL;
	return 0;
}

static int start(struct runaway_guard *g, const struct runaway_guard_config *c)
{
	int r = check_config(c);

	if (r == 0 && c->cgroup)
		r = cgroup_id(c->cgroup, &g->conf.cgroup_id);
	if (r < 0)
		return r;
	g->conf.cgroup_may = c->cgroup_may;
	g->cgroup_ssid = c->cgroup_ssid;
	g->confined = c->actuator_confined;
	g->only = c->only;
	r = guard_pair_start(&g->pair, c->cgroup, c->uid, c->gid);
	if (r < 0)
		return r;
	g->lsm = ask_lsm_list();
	r = guard_identify_open(g);
	if (r < 0) {
		set_tier(g, false);
		snprintf(g->why, sizeof(g->why), "no kernel guard: BPF programs do not load: %s",
			 runaway_strerror(r));
		return 0;
	}
	r = name_subjects(g, c);
	if (r < 0)
		return r;
	g->needs_cap_bpf = !guard_works_unprivileged(g, c->uid, c->gid);
	settle(g);
	return 0;
}

int runaway_guard_open(const struct runaway_guard_config *c, struct runaway_guard **ret)
{
	_cleanup_guard_ struct runaway_guard *g = calloc(1, sizeof(*g));
	libbpf_print_fn_t old;
	int r;

	if (!g)
		return -ENOMEM;
	g->pair.sock = -1;
	old = libbpf_set_print(to_log);
	r = start(g, c);
	libbpf_set_print(old);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(g);
	return 0;
}

void runaway_guard_close(struct runaway_guard *g)
{
	if (!g)
		return;
	guard_unload(g);
	bpf_link__destroy(g->who_link);
	rw_gate_bpf__destroy(g->who);
	guard_pair_stop(&g->pair);
	free(g);
}

enum runaway_guard_tier runaway_guard_tier(const struct runaway_guard *g)
{
	return g->tier;
}

const char *runaway_guard_why(const struct runaway_guard *g)
{
	return g->why;
}

bool runaway_guard_enforced(const struct runaway_guard *g)
{
	return g->tier == RUNAWAY_GUARD_LSM || g->tier == RUNAWAY_GUARD_FMOD;
}

bool runaway_guard_needs_cap_bpf(const struct runaway_guard *g)
{
	return g->needs_cap_bpf;
}

size_t runaway_guard_links(const struct runaway_guard *g, int *fds, size_t max)
{
	size_t n = MIN(g->n_links, max);

	for (size_t i = 0; i < n; i++)
		fds[i] = bpf_link__fd(g->links[i]);
	return n;
}

int runaway_guard_authorise(struct runaway_guard *g, const struct runaway_guard_target *t)
{
	uint32_t tgid = (uint32_t)t->tgid;

	if (!g->skel)
		return RUNAWAY_GUARD_NOT_CHECKED;
	return bpf_map_update_elem(bpf_map__fd(g->skel->maps.rw_gate_authz), &tgid, &t->authz,
				   BPF_NOEXIST);
}

int runaway_guard_revoke(struct runaway_guard *g, pid_t tgid)
{
	uint32_t key = (uint32_t)tgid;

	if (!g->skel)
		return -ENOENT;
	return bpf_map_delete_elem(bpf_map__fd(g->skel->maps.rw_gate_authz), &key);
}

int runaway_guard_self_test(struct runaway_guard *g, struct runaway_guard_report *ret)
{
	int r = 0;

	if (g->kind != GUARD_KIND_NONE && g->tier != RUNAWAY_GUARD_NONE) {
		r = guard_self_test_run(g, &g->report);
		if (r < 0 || !g->report.passed) {
			set_tier(g, true);
			snprintf(g->why, sizeof(g->why), "the guard held and holds no more: %s",
				 g->report.why);
		}
	}
	*ret = g->report;
	return r < 0 ? -EIO : 0;
}

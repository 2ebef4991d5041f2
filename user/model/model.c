/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model as a whole: its life, and the one door through which records come. */

#include <string.h>

#include "model/internal.h"

/* ---- lists of the configuration ---- */
static void strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
}

/* NULL stays NULL. 0 or -ENOMEM. */
static int strv_copy(const char *const *v, char ***ret)
{
	size_t n = 0;
	char **copy;

	*ret = NULL;
	while (v && v[n])
		n++;
	if (n == 0)
		return 0;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(v[i]);
		if (!copy[i]) {
			strv_free(copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

int runaway_model_configure(struct runaway_model *m, const struct runaway_model_config *config)
{
	char **redact = NULL, **by_design = NULL, **ci_markers = NULL;
	int r;

	r = strv_copy(config->redact, &redact);
	if (r == 0)
		r = strv_copy(config->by_design, &by_design);
	if (r == 0)
		r = strv_copy(config->ci_markers, &ci_markers);
	if (r < 0) {
		strv_free(redact);
		strv_free(by_design);
		return r;
	}
	strv_free(m->redact);
	strv_free(m->by_design);
	strv_free(m->ci_markers);
	m->redact = redact;
	m->by_design = by_design;
	m->ci_markers = ci_markers;
	m->limits = config->limits;
	m->groups->stale = true;
	return 0;
}

int runaway_model_new(const struct runaway_model_config *config, struct runaway_model **ret)
{
	struct runaway_model *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (!m)
		return -ENOMEM;
	m->groups = calloc(1, sizeof(*m->groups));
	if (m->groups)
		r = runaway_model_configure(m, config);
	if (r < 0) {
		runaway_model_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void runaway_model_free(struct runaway_model *m)
{
	if (!m)
		return;
	if (m->groups)
		process_free_all(m);
	cgroup_free_all(m);
	groups_free(m->groups);
	strv_free(m->redact);
	strv_free(m->by_design);
	strv_free(m->ci_markers);
	free(m);
}

void runaway_model_on_orphan(struct runaway_model *m, runaway_orphan_fn fn, void *ctx)
{
	m->on_orphan = fn;
	m->on_orphan_ctx = ctx;
}

void runaway_model_on_signal(struct runaway_model *m, runaway_signal_fn fn, void *ctx)
{
	m->on_signal = fn;
	m->on_signal_ctx = ctx;
}

/* ---- records ---- */
static int model_signal(struct runaway_model *m, const struct rw_signal *r)
{
	/* Nothing of the model follows from it: what a signal did, its exit will tell. */
	if (m->on_signal)
		m->on_signal(m->on_signal_ctx, r);
	return 0;
}

static int model_meta(struct runaway_model *m, const struct rw_meta *r)
{
	m->meta = *r;
	m->meta.boot_id[sizeof(m->meta.boot_id) - 1] = '\0';
	m->meta.host[sizeof(m->meta.host) - 1] = '\0';
	m->meta.release[sizeof(m->meta.release) - 1] = '\0';
	m->realtime_offset_ns = r->realtime_offset_ns;
	return 0;
}

/* Bytes that a record of this type has at least; 0: no such type. */
static size_t min_len(uint16_t type)
{
	switch (type) {
	case RW_FORK:
		return sizeof(struct rw_fork);
	case RW_EXEC:
		return sizeof(struct rw_exec);
	case RW_EXIT:
		return sizeof(struct rw_exit);
	case RW_CHILDREN:
		return offsetof(struct rw_children, child);
	case RW_REPARENT:
		return sizeof(struct rw_reparent);
	case RW_CGROUP:
		return offsetof(struct rw_cgroup_ev, path);
	case RW_SIGNAL:
		return sizeof(struct rw_signal);
	case RW_TASK:
		return sizeof(struct rw_task);
	case RW_CPU:
		return sizeof(struct rw_cpu);
	case RW_FREE:
		return sizeof(struct rw_free);
	case RW_META:
		return sizeof(struct rw_meta);
	case RW_TICK:
		return sizeof(struct rw_tick);
	case RW_SCAN_BEGIN:
	case RW_SCAN_END:
		return sizeof(struct rw_scan);
	case RW_HOST:
		return sizeof(struct rw_host);
	case RW_PROCFS:
		return sizeof(struct rw_procfs);
	case RW_CGROUP_CPU:
		return sizeof(struct rw_cgroup_cpu);
	case RW_LOSS:
		return sizeof(struct rw_loss);
	case RW_KNOWN:
		return sizeof(struct rw_known);
	case RW_KNOWN_ORPHAN:
		return sizeof(struct rw_known_orphan);
	case RW_RECALLED:
		return sizeof(struct rw_recalled);
	case RW_COMMIT:
		return sizeof(struct rw_commit);
	default:
		return 0;
	}
}

/* Records that speak of a process begin with its identity. */
static bool needs_id(uint16_t type)
{
	return type == RW_FORK || type == RW_EXEC || type == RW_EXIT || type == RW_REPARENT ||
	       type == RW_SIGNAL || type == RW_TASK || type == RW_CPU || type == RW_FREE ||
	       type == RW_PROCFS || type == RW_KNOWN || type == RW_KNOWN_ORPHAN;
}

static bool is_sane(const struct rw_hdr *rec, size_t len)
{
	size_t min;

	if (len < sizeof(*rec) || rec->len > len)
		return false;
	min = min_len(rec->type);
	if (min == 0 || rec->len < min)
		return false;
	return !needs_id(rec->type) || ((const struct rw_exit *)rec)->id.pid != 0;
}

static_assert(offsetof(struct rw_fork, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_exec, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_reparent, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_signal, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_task, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_cpu, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_free, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_procfs, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_known, id) == offsetof(struct rw_exit, id) &&
		      offsetof(struct rw_known_orphan, id) == offsetof(struct rw_exit, id),
	      "identity first");

static int dispatch(struct runaway_model *m, const struct rw_hdr *rec, size_t len)
{
	const void *r = rec;

	switch (rec->type) {
	case RW_FORK:
		return model_fork(m, r);
	case RW_EXEC:
		return model_exec(m, r, len);
	case RW_EXIT:
		return model_exit(m, r);
	case RW_CHILDREN:
		return model_children(m, r, len);
	case RW_REPARENT:
		return model_reparent(m, r);
	case RW_CGROUP:
		return model_cgroup(m, r, len);
	case RW_SIGNAL:
		return model_signal(m, r);
	case RW_TASK:
		return model_task(m, r, len);
	case RW_CPU:
		return model_cpu(m, r);
	case RW_FREE:
		return model_free(m, r);
	case RW_META:
		return model_meta(m, r);
	case RW_TICK:
		return model_tick(m, r);
	case RW_SCAN_BEGIN:
		return model_scan_begin(m, r);
	case RW_SCAN_END:
		return model_scan_end(m, r);
	case RW_HOST:
		return model_host(m, r);
	case RW_PROCFS:
		return model_procfs(m, r, len);
	case RW_CGROUP_CPU:
		return model_cgroup_cpu(m, r);
	case RW_LOSS:
		return model_loss(m, r);
	case RW_KNOWN:
		return model_known(m, r, len);
	case RW_KNOWN_ORPHAN:
		return model_known_orphan(m, r);
	case RW_RECALLED:
		return model_recalled(m);
	case RW_COMMIT:
		return 0; /* the journal's own business */
	default:
		return -EBADMSG;
	}
}

int runaway_model_apply(struct runaway_model *m, const struct rw_hdr *rec, size_t len)
{
	int r;

	if (!is_sane(rec, len)) {
		m->counters.malformed++;
		return -EBADMSG;
	}
	m->counters.received[rec->type]++;
	m->now_ns = MAX(m->now_ns, rec->time_ns);
	r = dispatch(m, rec, rec->len);
	if (r == -EBADMSG)
		m->counters.malformed++;
	return r;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The sensor's life: open, first snapshot, close. */

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

void sensor_emit(struct runaway_sensor *s, struct rw_hdr *rec, uint16_t type, size_t len)
{
	rec->type = type;
	rec->cpu = 0;
	rec->len = len;
	rec->seq = ++s->seq;
	rec->time_ns = runaway_boot_ns();
	s->sink(s->ctx, rec, len);
}

static int open_roots(struct runaway_sensor *s, const struct runaway_sensor_config *c)
{
	int r;

	s->proc_root = strdup(c->proc_root);
	if (!s->proc_root)
		return -ENOMEM;
	s->proc_fd = open(s->proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->proc_fd < 0)
		return log_error_errno(-errno, "cannot open %s", s->proc_root);
	r = sensor_cgroups_detect(c->cgroup_root, &s->features.cgroups, &s->cgroup_tree);
	if (r == 0)
		sensor_gaps_find(s);
	return r;
}

/*
 * What an earlier daemon knew, before anything is read from the rings: they go
 * on where it stopped. Whoever has ended since then, the first scan does not see.
 */
static void recall(struct runaway_sensor *s)
{
	const struct rw_commit *last = s->journal ? runaway_journal_last(s->journal) : NULL;
	struct runaway_continuity *c = &s->continuity;
	struct rw_recalled rec = { 0 };
	uint64_t now = runaway_boot_ns();
	int r;

	if (!last)
		return;
	c->whole = c->pins == RUNAWAY_PINS_ADOPTED && sensor_books_restore(s, last);
	c->until_ns = last->hdr.time_ns;
	c->down_ns = now > c->until_ns ? now - c->until_ns : 0;
	r = runaway_journal_recall(s->journal, s->sink, s->ctx);
	if (r < 0)
		log_warning_errno(r, "the journal could not be read to its end");
	log_info("an earlier daemon's journal is recalled; it ended %.1f s ago, and %s",
		 (double)c->down_ns / 1e9,
		 c->whole ? "the kernel side went on" : "nobody watched since");
	rec.until_ns = c->until_ns;
	rec.whole = c->whole;
	sensor_emit(s, &rec.hdr, RW_RECALLED, sizeof(rec));
}

/*
 * Everything that runs already. The programs are attached first: a process that
 * is forked meanwhile comes in by its event, the walk sees the rest.
 */
static int snapshot(struct runaway_sensor *s)
{
	struct rw_meta meta;
	int r = 0;

	recall(s);
	runaway_sensor_meta(s, &meta);
	s->sink(s->ctx, &meta.hdr, sizeof(meta));
	/* Paths in a part of the tree begin at its own root: they would be wrong names. */
	if (!runaway_features_has_gap(&s->features, RUNAWAY_GAP_CGROUP_PART))
		r = sensor_cgroups_snapshot(s);
	if (r < 0)
		log_warning_errno(r, "cannot read the cgroup tree");
	s->snapshotting = true;
	r = runaway_sensor_scan(s, true);
	s->snapshotting = false;
	/* A blind daemon runs all the same: it has to say so to whoever asks. */
	if (r < 0 && !runaway_features_blind(&s->features))
		return r;
	sensor_snapshot_enrich(s);
	sensor_commit(s);
	return 0;
}

int runaway_sensor_open(const struct runaway_sensor_config *c, runaway_sink_fn sink, void *ctx,
			struct runaway_sensor **ret)
{
	struct runaway_sensor *s = calloc(1, sizeof(*s));
	long hz = sysconf(_SC_CLK_TCK);
	int r;

	if (!s)
		return -ENOMEM;
	s->proc_fd = s->epoll_fd = s->pin_lock_fd = -1;
	s->task_walk.file_fd = s->cgroup_walk.file_fd = -1;
	memset(s->misses_fd, 0xff, sizeof(s->misses_fd));
	s->task_walk.link_fd = s->cgroup_walk.link_fd = s->hot_prog_fd = -1;
	s->host = (struct host_files){ -1, -1, -1, -1, -1, -1 };
	s->sink = sink;
	s->ctx = ctx;
	s->marker_names = c->marker_names;
	s->journal = c->journal;
	s->clock_tick_ns = NSEC_PER_SEC / (hz > 0 ? hz : 100);
	r = open_roots(s, c);
	if (r == 0)
		r = sensor_load(s, c);
	if (r == 0)
		r = sensor_keep(s);
	if (r == 0)
		r = sensor_rings_open(s);
	if (r == 0)
		r = sensor_host_open(s);
	if (r == 0)
		r = snapshot(s);
	if (r < 0) {
		runaway_sensor_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void runaway_sensor_close(struct runaway_sensor *s)
{
	if (!s)
		return;
	sensor_rings_close(s);
	sensor_host_close(s);
	sensor_watch_close(s);
	sensor_keep_close(s);
	if (s->continuity.pins == RUNAWAY_PINS_ADOPTED)
		sensor_adopt_close(s);
	rw_bpf__destroy(s->skel);
	sensor_hot_free(s);
	sensor_sweep_free(s);
	free(s->pending);
	free(s->enrich);
	free(s->enrich_args);
	free(s->snapshot);
	free(s->proc_root);
	free(s->cgroup_tree);
	free(s->pin_dir);
	runaway_closep(&s->proc_fd);
	runaway_closep(&s->pin_lock_fd);
	free(s);
}

void runaway_sensor_note_overruns(struct runaway_sensor *s, uint64_t missed)
{
	s->stats.scan_overruns += missed;
}

int runaway_sensor_set_markers(struct runaway_sensor *s, const char *const *names)
{
	s->marker_names = names;
	return sensor_set_markers(s, names);
}

const struct runaway_features *runaway_sensor_features(const struct runaway_sensor *s)
{
	return &s->features;
}

const struct runaway_sensor_stats *runaway_sensor_stats(const struct runaway_sensor *s)
{
	return &s->stats;
}

const struct runaway_continuity *runaway_sensor_continuity(const struct runaway_sensor *s)
{
	return &s->continuity;
}

void runaway_sensor_commit(struct runaway_sensor *s)
{
	sensor_commit(s);
}

void runaway_sensor_meta(const struct runaway_sensor *s, struct rw_meta *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	memset(ret, 0, sizeof(*ret));
	ret->hdr.type = RW_META;
	ret->hdr.len = sizeof(*ret);
	ret->hdr.time_ns = runaway_boot_ns();
	ret->realtime_offset_ns = runaway_real_ns() - ret->hdr.time_ns;
	ret->ncpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	ret->hz = (uint32_t)(NSEC_PER_SEC / s->clock_tick_ns);
	if (runaway_read_file(s->proc_fd, "sys/kernel/random/boot_id", 64, &b) >= 0 && b.data) {
		b.data[strcspn(b.data, "\n")] = '\0';
		snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", b.data);
	}
	gethostname(ret->host, sizeof(ret->host) - 1);
	snprintf(ret->release, sizeof(ret->release), "%.63s", s->features.release);
}

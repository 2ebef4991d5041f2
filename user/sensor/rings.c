// SPDX-License-Identifier: GPL-2.0-or-later
/* Draining the rings: every record is checked, counted and handed on. */

#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "sensor/sensor_priv.h"

/* Smallest length of each kernel-made record; 0: not one. */
static const size_t min_len[RW_KERNEL_TYPES] = {
	[RW_FORK] = sizeof(struct rw_fork),	    [RW_EXEC] = sizeof(struct rw_exec),
	[RW_EXIT] = sizeof(struct rw_exit),	    [RW_CHILDREN] = sizeof(struct rw_children),
	[RW_REPARENT] = sizeof(struct rw_reparent), [RW_CGROUP] = sizeof(struct rw_cgroup_ev),
	[RW_TASK] = sizeof(struct rw_task),	    [RW_CPU] = sizeof(struct rw_cpu),
	[RW_FREE] = sizeof(struct rw_free),	    [RW_SIGNAL] = sizeof(struct rw_signal),
};

static void check_sequence(struct runaway_sensor *s, const struct rw_hdr *h, int ring)
{
	uint64_t *last;

	if (h->cpu >= s->ncpu)
		return;
	last = &s->cpu_seq[ring][h->cpu];
	if (*last && h->seq > *last + 1)
		s->stats.sequence_gaps += h->seq - *last - 1;
	if (h->seq > *last)
		*last = h->seq;
}

static int on_record(struct runaway_sensor *s, void *data, size_t size, int ring)
{
	const struct rw_hdr *h = data;

	s->drained_bytes[ring] += size;
	if (size < sizeof(*h) || h->len > size || h->type >= RW_KERNEL_TYPES || !min_len[h->type] ||
	    h->len < min_len[h->type]) {
		s->stats.malformed++;
		return 0;
	}
	s->stats.received[h->type]++;
	check_sequence(s, h, ring);
	if (h->type == RW_CHILDREN && !s->features.fentry_reparent)
		sensor_pending_add(s, data);
	if (h->type == RW_TASK && s->snapshotting)
		sensor_snapshot_add(s, ((const struct rw_task *)data)->id);
	sensor_hot_note(s, h);
	s->sink(s->ctx, h, h->len);
	return 0;
}

static int on_event(void *ctx, void *data, size_t size)
{
	return on_record(ctx, data, size, 0);
}

static int on_sample(void *ctx, void *data, size_t size)
{
	return on_record(ctx, data, size, 1);
}

int sensor_rings_open(struct runaway_sensor *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd[2];

	for (int i = 0; i < 2; i++) {
		s->cpu_seq[i] = calloc(s->ncpu, sizeof(uint64_t));
		if (!s->cpu_seq[i])
			return -ENOMEM;
	}
	s->events = ring_buffer__new(bpf_map__fd(s->skel->maps.rw_events), on_event, s, NULL);
	if (!s->events)
		return -errno;
	s->samples = ring_buffer__new(bpf_map__fd(s->skel->maps.rw_samples), on_sample, s, NULL);
	if (!s->samples)
		return -errno;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	fd[0] = ring_buffer__epoll_fd(s->events);
	fd[1] = ring_buffer__epoll_fd(s->samples);
	for (int i = 0; i < 2; i++) {
		ev.data.fd = fd[i];
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd[i], &ev) < 0)
			return -errno;
	}
	return 0;
}

void sensor_rings_close(struct runaway_sensor *s)
{
	ring_buffer__free(s->events);
	ring_buffer__free(s->samples);
	free(s->cpu_seq[0]);
	free(s->cpu_seq[1]);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
}

int runaway_sensor_fd(const struct runaway_sensor *s)
{
	return s->epoll_fd;
}

int runaway_sensor_drain(struct runaway_sensor *s)
{
	int n, m;

	s->drained_bytes[0] = s->drained_bytes[1] = 0;
	/* Lineage first: a sample may speak of a process whose fork is still queued. */
	n = ring_buffer__consume(s->events);
	m = ring_buffer__consume(s->samples);
	if (n < 0 || m < 0) {
		log_error_errno(n < 0 ? n : m, "cannot read the rings");
		return 0;
	}
	sensor_enrich_flush(s);
	return n + m;
}

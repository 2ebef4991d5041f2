// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Draining the rings: every record is checked, counted and handed on. A record
 * leaves its ring only after what the sink made of it is in the journal, so that
 * a daemon that is killed in between leaves it to the next one.
 *
 * The layout is that of kernel/bpf/ringbuf.c since 5.8: a page with the reader's
 * position, one with the writer's, then the data. The kernel maps the data twice, so
 * that no record wraps; here it is mapped once, which halves what the process holds.
 */

#include <linux/bpf.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

/* Smallest length of each kernel-made record; 0: not one. */
static const size_t min_len[RW_KERNEL_TYPES] = {
	[RW_FORK] = sizeof(struct rw_fork),
	[RW_EXEC] = sizeof(struct rw_exec),
	[RW_EXIT] = sizeof(struct rw_exit),
	[RW_CHILDREN] = offsetof(struct rw_children, child),
	[RW_REPARENT] = sizeof(struct rw_reparent),
	[RW_CGROUP] = sizeof(struct rw_cgroup_ev),
	[RW_TASK] = sizeof(struct rw_task),
	[RW_CPU] = sizeof(struct rw_cpu),
	[RW_FREE] = sizeof(struct rw_free),
	[RW_SIGNAL] = sizeof(struct rw_signal),
};

static void check_sequence(struct runaway_sensor *s, const struct rw_hdr *h, int ring)
{
	if (h->cpu < s->ncpu)
		sensor_sequence_note(&s->cpu_seq[ring][h->cpu], h->seq, &s->stats.sequence_gaps);
}

void sensor_rings_settle(struct runaway_sensor *s)
{
	for (int i = 0; i < 2; i++)
		for (unsigned int cpu = 0; cpu < s->ncpu; cpu++)
			s->stats.sequence_gaps += sensor_sequence_settle(&s->cpu_seq[i][cpu]);
}

static void on_record(struct runaway_sensor *s, const void *data, size_t size, int ring)
{
	const struct rw_hdr *h = data;

	s->drained_bytes[ring] += size;
	if (size < sizeof(*h) || h->len > size || h->type >= RW_KERNEL_TYPES || !min_len[h->type] ||
	    h->len < min_len[h->type]) {
		s->stats.malformed++;
		return;
	}
	s->stats.received[h->type]++;
	check_sequence(s, h, ring);
	if (h->type == RW_CHILDREN && !s->features.fentry_reparent)
		sensor_pending_add(s, data);
	if (h->type == RW_TASK && s->snapshotting)
		sensor_snapshot_add(s, ((const struct rw_task *)data)->id);
	sensor_hot_note(s, h);
	s->sink(s->ctx, h, h->len);
}

/* What may be taken before it must be let go: the ring has to keep room. */
#define RELEASE_SHARE 16
/* Longest record of the kernel side, with room to spare. */
#define RECORD_MAX (16 * 1024)

static int ring_open(struct ring *g, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	long page = getpagesize();
	void *p;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	g->id = info.id;
	g->size = info.max_entries;
	g->scratch = aligned_alloc(16, RECORD_MAX);
	if (!g->scratch)
		return -ENOMEM;
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	g->consumer = p;
	p = mmap(NULL, page + g->size, PROT_READ, MAP_SHARED, fd, page);
	if (p == MAP_FAILED)
		return -errno;
	g->producer = p;
	g->data = (const char *)p + page;
	g->pos = g->released = __atomic_load_n(g->consumer, __ATOMIC_ACQUIRE);
	return 0;
}

static void ring_close(struct ring *g)
{
	long page = getpagesize();

	if (g->consumer)
		munmap(g->consumer, page);
	if (g->producer)
		munmap((void *)g->producer, page + g->size);
	free(g->scratch);
	*g = (struct ring){ 0 };
}

/* The record behind the header at g->pos; what wraps is put together. NULL: no record is so long.
 */
static void *ring_record(struct ring *g, uint32_t len)
{
	size_t at = (g->pos + BPF_RINGBUF_HDR_SZ) & (g->size - 1), first = g->size - at;

	if (len <= first)
		return (void *)(g->data + at);
	if (len > RECORD_MAX)
		return NULL;
	memcpy(g->scratch, g->data + at, first);
	memcpy(g->scratch + first, g->data, len - first);
	return g->scratch;
}

static int ring_take(struct runaway_sensor *s, int i)
{
	struct ring *g = &s->ring[i];
	uint32_t head, len;
	int n = 0;
	void *rec;

	while (g->pos < __atomic_load_n(g->producer, __ATOMIC_ACQUIRE)) {
		head = __atomic_load_n((const uint32_t *)(g->data + (g->pos & (g->size - 1))),
				       __ATOMIC_ACQUIRE);
		/* Still being written: whoever is behind it waits, too. */
		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		len = head & ~BPF_RINGBUF_DISCARD_BIT;
		if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
			rec = ring_record(g, len);
			if (rec)
				on_record(s, rec, len, i);
			else
				s->stats.malformed++;
			n++;
		}
		g->pos += (len + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
		if (g->pos - g->released >= g->size / RELEASE_SHARE)
			sensor_commit(s);
	}
	return n;
}

/* ---- letting go ---- */
static size_t fill_commit(const struct runaway_sensor *s, struct rw_commit *c)
{
	size_t cpus = s->ncpu <= RUNAWAY_COMMIT_CPUS ? s->ncpu : 0;
	uint64_t open = 0;

	memset(c, 0, sizeof(*c));
	c->hdr.type = RW_COMMIT;
	c->hdr.len = (uint32_t)(sizeof(*c) + 2 * cpus * sizeof(c->seq[0]));
	c->hdr.time_ns = runaway_boot_ns();
	c->ncpu = (uint32_t)cpus;
	for (int i = 0; i < 2; i++) {
		c->pos[i] = s->ring[i].pos;
		c->ring_id[i] = s->ring[i].id;
		for (size_t cpu = 0; cpu < cpus; cpu++) {
			c->seq[i * cpus + cpu] = s->cpu_seq[i][cpu].last;
			/* The next reader knows the last ones only: what is open now is missing. */
			open += sensor_sequence_open(&s->cpu_seq[i][cpu]);
		}
	}
	memcpy(c->received, s->stats.received, sizeof(c->received));
	c->sequence_gaps = s->stats.sequence_gaps + open;
	c->malformed = s->stats.malformed;
	c->told[0] = s->told.events;
	c->told[1] = s->told.samples;
	c->told[2] = s->told.misses;
	c->told[3] = s->told.maps;
	return c->hdr.len;
}

const struct rw_commit *runaway_sensor_books(struct runaway_sensor *s)
{
	fill_commit(s, s->commit);
	return s->commit;
}

void sensor_commit(struct runaway_sensor *s)
{
	bool moved = false;

	for (int i = 0; i < 2; i++)
		moved = moved || s->ring[i].pos != s->ring[i].released;
	if (!moved && !(s->journal && runaway_journal_dirty(s->journal)))
		return;
	/* A journal that cannot be written must not stop the rings: it says so itself. */
	if (s->journal && !runaway_journal_recalling(s->journal))
		runaway_journal_commit(s->journal, runaway_sensor_books(s));
	for (int i = 0; i < 2; i++) {
		s->ring[i].released = s->ring[i].pos;
		__atomic_store_n(s->ring[i].consumer, s->ring[i].pos, __ATOMIC_RELEASE);
	}
}

/*
 * Goes on where an earlier reader of the same rings stopped. What it had written
 * down it may not have had time to let go of: then this is made up for.
 */
bool sensor_books_restore(struct runaway_sensor *s, const struct rw_commit *c)
{
	for (int i = 0; i < 2; i++) {
		const struct ring *g = &s->ring[i];

		if (c->ring_id[i] != g->id ||
		    c->pos[i] > __atomic_load_n(g->producer, __ATOMIC_ACQUIRE))
			return false;
	}
	for (int i = 0; i < 2; i++) {
		struct ring *g = &s->ring[i];

		/* Behind: its journal had failed, and the ring went on without it. */
		g->pos = g->released = MAX(c->pos[i], g->pos);
		__atomic_store_n(g->consumer, g->pos, __ATOMIC_RELEASE);
		for (size_t cpu = 0; c->ncpu == s->ncpu && cpu < c->ncpu; cpu++)
			s->cpu_seq[i][cpu].last = c->seq[i * c->ncpu + cpu];
	}
	memcpy(s->stats.received, c->received, sizeof(c->received));
	s->stats.sequence_gaps = c->sequence_gaps;
	s->stats.malformed = c->malformed;
	memcpy(s->stats.told_before, c->told, sizeof(c->told));
	s->told.events = c->told[0];
	s->told.samples = c->told[1];
	s->told.misses = c->told[2];
	s->told.maps = c->told[3];
	return true;
}

/* ---- both rings ---- */
int sensor_rings_open(struct runaway_sensor *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	const int fd[2] = { bpf_map__fd(s->skel->maps.rw_events),
			    bpf_map__fd(s->skel->maps.rw_samples) };
	int r;

	s->commit = calloc(1, sizeof(*s->commit) + 2 * (size_t)s->ncpu * sizeof(s->commit->seq[0]));
	if (!s->commit)
		return -ENOMEM;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		s->cpu_seq[i] = calloc(s->ncpu, sizeof(*s->cpu_seq[i]));
		if (!s->cpu_seq[i])
			return -ENOMEM;
		r = ring_open(&s->ring[i], fd[i]);
		if (r < 0)
			return r;
		ev.data.fd = fd[i];
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd[i], &ev) < 0)
			return -errno;
	}
	return 0;
}

void sensor_rings_close(struct runaway_sensor *s)
{
	for (int i = 0; i < 2; i++) {
		ring_close(&s->ring[i]);
		free(s->cpu_seq[i]);
	}
	free(s->commit);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
}

int runaway_sensor_fd(const struct runaway_sensor *s)
{
	return s->epoll_fd;
}

#define BUSY_WAIT_MS 50

bool sensor_rings_catch_up(struct runaway_sensor *s)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	uint64_t end[2];

	for (int i = 0; i < 2; i++)
		end[i] = __atomic_load_n(s->ring[i].producer, __ATOMIC_ACQUIRE);
	for (int tries = 0;; tries++) {
		runaway_sensor_drain(s);
		if (s->ring[0].pos >= end[0] && s->ring[1].pos >= end[1])
			return true;
		if (tries == BUSY_WAIT_MS)
			return false;
		nanosleep(&pause, NULL);
	}
}

int runaway_sensor_drain(struct runaway_sensor *s)
{
	int n;

	s->drained_bytes[0] = s->drained_bytes[1] = 0;
	/* Lineage first: a sample may speak of a process whose fork is still queued. */
	n = ring_take(s, 0);
	n += ring_take(s, 1);
	sensor_enrich_flush(s);
	sensor_commit(s);
	return n;
}

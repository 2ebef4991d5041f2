/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 20,000 damaged recordings, the same in every run: whatever a record says, the
 * model, the lanes and everything that reads them stay whole. Run with SAN=1 to
 * see what would only be wrong in silence.
 */

#include "daemon/recording.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "daemon/daemon.h"

#define ROUNDS	   20000
#define WITH_LANES 16 /* each how many rounds the lanes judge too */
#define MAGIC_LEN  (sizeof(RW_RECORDING_MAGIC) - 1)
#define SEED	   UINT64_C(0x9e3779b97f4a7c15)

struct bench {
	struct strbuf tape; /* as it was recorded */
	struct config config;
	char *work; /* the damaged one */
	size_t work_len, work_cap;
	int fd;
	char path[32];
	uint64_t random;
};

struct play {
	struct runaway_model *m;
	struct lane_engine *e;
	size_t records, refused, findings;
};

/* xorshift64 */
static uint64_t next(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static size_t below(struct bench *b, size_t n)
{
	return n ? next(b) % n : 0;
}

/* ---- damage ---- */

/* Where the n-th record of the damaged tape begins, or the last one that is whole; length 0: none.
 */
static size_t record_at(const struct bench *b, size_t n, size_t *ret_len)
{
	size_t at = MAGIC_LEN, found = at;
	struct rw_hdr h;

	*ret_len = 0;
	for (size_t i = 0; i <= n && at + sizeof(h) <= b->work_len; i++) {
		memcpy(&h, b->work + at, sizeof(h));
		if (h.len < sizeof(h) || h.len > b->work_len - at)
			break;
		found = at;
		*ret_len = h.len;
		at += h.len;
	}
	return found;
}

static void flip_bits(struct bench *b)
{
	for (size_t n = 1 + below(b, 4); n; n--)
		b->work[below(b, b->work_len)] ^= (char)(1 << below(b, 8));
}

/* A number at which arithmetic goes wrong, where a number may be. */
static void extreme_number(struct bench *b)
{
	static const uint64_t number[] = { 0,	       1,
					   0x7f,       0xff,
					   0x7fff,     0xffff,
					   INT32_MAX,  UINT32_MAX,
					   INT64_MAX,  (uint64_t)INT64_MIN,
					   UINT64_MAX, UINT64_MAX - 1 };
	static const size_t width[] = { 1, 2, 4, 8 };
	size_t len, at = record_at(b, below(b, 200), &len), w = width[below(b, 4)];
	uint64_t v = number[below(b, ARRAY_SIZE(number))];
	size_t off;

	if (len <= sizeof(struct rw_hdr) + w)
		return;
	off = sizeof(struct rw_hdr) + below(b, (len - sizeof(struct rw_hdr)) / w) * w;
	if (off + w <= len)
		memcpy(b->work + at + off, &v, w);
}

/* Time, sequence or type of a record: in its header, its length left alone. */
static void odd_header(struct bench *b)
{
	size_t len, at = record_at(b, below(b, 200), &len);
	struct rw_hdr h;

	if (!len)
		return;
	memcpy(&h, b->work + at, sizeof(h));
	switch (below(b, 4)) {
	case 0:
		h.type = (uint16_t)below(b, 130);
		break;
	case 1:
		h.time_ns = next(b) >> below(b, 64);
		break;
	case 2:
		h.time_ns = 0;
		break;
	default:
		h.seq = next(b);
	}
	memcpy(b->work + at, &h, sizeof(h));
}

static void length(struct bench *b)
{
	size_t len, at = record_at(b, below(b, 200), &len);
	uint32_t v = (uint32_t)(len + below(b, 64) - 32);

	if (len)
		memcpy(b->work + at + offsetof(struct rw_hdr, len), &v, sizeof(v));
}

/* A record shortened with a header that says so: whole to the player, cut to the model. */
static void shorten(struct bench *b)
{
	size_t len, at = record_at(b, below(b, 200), &len), cut;
	uint32_t left;

	if (len <= sizeof(struct rw_hdr))
		return;
	cut = 1 + below(b, len - sizeof(struct rw_hdr));
	left = (uint32_t)(len - cut);
	memcpy(b->work + at + offsetof(struct rw_hdr, len), &left, sizeof(left));
	memmove(b->work + at + left, b->work + at + len, b->work_len - at - len);
	b->work_len -= cut;
}

static void drop(struct bench *b)
{
	size_t len, at = record_at(b, 1 + below(b, 200), &len);

	memmove(b->work + at, b->work + at + len, b->work_len - at - len);
	b->work_len -= len;
}

/* A record once more, anywhere behind: doubled, late, or of what is gone. */
static void repeat(struct bench *b)
{
	size_t len, at = record_at(b, below(b, 200), &len), to_len;
	size_t to = record_at(b, below(b, 200), &to_len);
	char copy[8192];

	if (len > sizeof(copy) || b->work_len + len > b->work_cap)
		return;
	memcpy(copy, b->work + at, len);
	memmove(b->work + to + len, b->work + to, b->work_len - to);
	memcpy(b->work + to, copy, len);
	b->work_len += len;
}

static void truncate_tape(struct bench *b)
{
	b->work_len = below(b, b->work_len + 1);
}

static void damage(struct bench *b)
{
	static void (*const way[])(struct bench *) = {
		flip_bits, extreme_number, extreme_number, odd_header, length,
		shorten,   drop,	   repeat,	   repeat,     truncate_tape,
	};

	memcpy(b->work, b->tape.data, b->tape.len);
	b->work_len = b->tape.len;
	for (size_t n = 1 + below(b, 6); n && b->work_len > MAGIC_LEN + 64; n--)
		way[below(b, ARRAY_SIZE(way))](b);
	assert_int_equal(ftruncate(b->fd, 0), 0);
	assert_int_equal(lseek(b->fd, 0, SEEK_SET), 0);
	assert_int_equal(runaway_write_all(b->fd, b->work, b->work_len), 0);
}

/* ---- playing ---- */

static void on_opened(void *ctx, struct runaway_finding *f)
{
	struct play *p = ctx;

	assert_non_null(f->lane);
	p->findings++;
}

static void on_ended(void *ctx, struct runaway_finding *f, enum finding_end why)
{
	(void)ctx;
	assert_non_null(f->lane);
	assert_non_null(runaway_finding_end_name(why));
}

static void sink(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct play *p = ctx;

	p->records++;
	p->refused += runaway_model_apply(p->m, rec, len) != 0;
	if (rec->type == RW_TICK && p->e)
		runaway_engine_tick(p->e, p->m);
}

static void read_proc(void *ctx, struct runaway_proc *proc)
{
	const struct runaway_model *m = ctx;
	struct runaway_cgroup_names names;

	assert_non_null(memchr(proc->comm, 0, sizeof(proc->comm)));
	assert_true(runaway_proc_cores(m, proc) >= 0);
	runaway_proc_daemonised(m, proc);
	runaway_proc_orphan_root(proc);
	runaway_proc_cgroup_path(m, proc);
	if (runaway_proc_cgroup_names(m, proc, &names) == 0)
		runaway_cgroup_names_free(&names);
	assert_ptr_equal(runaway_model_find(m, proc->id), proc);
}

/* All that the outputs would look at. */
static void read_model(struct runaway_model *m)
{
	const struct runaway_group *g;
	size_t n, orphans = 0;

	runaway_model_each(m, read_proc, m);
	for (struct runaway_proc *o = runaway_model_orphans(m); o; o = o->orphan_next) {
		assert_non_null(o->orphan);
		runaway_orphan_age_ns(m, o);
		assert_true(orphans++ <= runaway_model_living(m));
	}
	g = runaway_model_groups(m, &n);
	for (size_t i = 0; i < n; i++)
		assert_true(g[i].orphan_count > 0 && g[i].root == g[i].orphan[0]);
}

static int play_one(struct bench *b, struct play *p, bool lanes)
{
	static const struct lane_engine_ops ops = { .opened = on_opened, .ended = on_ended };
	struct runaway_model_config mc;
	int r;

	*p = (struct play){ 0 };
	daemon_model_config(&b->config, &mc);
	assert_int_equal(runaway_model_new(&mc, &p->m), 0);
	if (lanes) {
		assert_int_equal(runaway_engine_new(&ops, p, &p->e), 0);
		assert_int_equal(daemon_apply_lanes(p->e, &b->config.lanes), 0);
	}
	r = runaway_recording_play(b->path, sink, p, NULL);
	read_model(p->m);
	runaway_engine_free(p->e);
	runaway_model_free(p->m);
	return r;
}

/* ---- tests ---- */

/* Seconds in which the lanes' times pass: a short tape that still opens a finding. */
static void shorten_lanes(struct config *c)
{
	for (size_t i = 0; i < c->lanes.count; i++) {
		if (c->lanes.lane[i].subject != RUNAWAY_SUBJECT_ORPHAN_TREE)
			continue;
		c->lanes.lane[i].trigger.age_s_min = 2;
		c->lanes.lane[i].trigger.for_s = 2;
		c->lanes.lane[i].clear.for_s = 1;
	}
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char path[] = "/tmp/rw-tape-XXXXXX";
	int fd = mkstemp(path);

	assert_non_null(b);
	assert_true(fd >= 0);
	close(fd);
	tape_story(path, 8, 3);
	assert_int_equal(runaway_read_file(AT_FDCWD, path, 1 << 20, &b->tape), 0);
	unlink(path);
	b->work_cap = b->tape.len * 2;
	b->work = malloc(b->work_cap);
	assert_non_null(b->work);
	b->fd = memfd_create("tape", MFD_CLOEXEC);
	assert_true(b->fd >= 0);
	snprintf(b->path, sizeof(b->path), "/proc/self/fd/%d", b->fd);
	b->random = SEED;
	assert_int_equal(config_defaults(&b->config), 0);
	shorten_lanes(&b->config);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	config_free(&b->config);
	strbuf_free(&b->tape);
	free(b->work);
	close(b->fd);
	free(b);
	return 0;
}

static void test_the_tape_itself(void **state)
{
	struct bench *b = *state;
	struct play p;

	assert_int_equal(runaway_write_all(b->fd, b->tape.data, b->tape.len), 0);
	assert_int_equal(play_one(b, &p, true), 0);
	assert_true(p.records > 50);
	assert_int_equal(p.refused, 0);
	assert_int_equal(p.findings, 1);
}

static void test_damaged(void **state)
{
	size_t whole = 0, bad = 0, cut = 0, refused = 0, findings = 0;
	struct bench *b = *state;
	struct play p;

	for (size_t i = 0; i < ROUNDS; i++) {
		damage(b);
		switch (play_one(b, &p, i % WITH_LANES == 0)) {
		case 0:
			whole++;
			break;
		case -EBADMSG:
			bad++;
			break;
		case -ENODATA:
			cut++;
			break;
		default:
			fail_msg("round %zu: neither whole, damaged nor cut", i);
		}
		refused += p.refused;
		findings += p.findings;
	}
	/* Or the damage was not what it is meant to be. */
	assert_true(whole > ROUNDS / 10 && bad > ROUNDS / 20 && cut > ROUNDS / 20);
	assert_true(refused > ROUNDS / 4 && findings > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_tape_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings as the kernel lays them out, in memory of our own: what is written is taken, and when. */

#include <linux/bpf.h>
#include <pthread.h>
#include <time.h>

#include "sensor/harness.h"

#define RING_SIZE 4096
#define LATE_MS	  10

struct fake_ring {
	uint64_t consumer, producer;
	char data[RING_SIZE] __attribute__((aligned(8)));
};

/* Reserves and fills a record; it is busy until it is submitted. Its header. */
static uint32_t *reserve(struct fake_ring *f, uint32_t pid)
{
	struct rw_exit rec = {
		.hdr = { .len = sizeof(rec), .type = RW_EXIT },
		.id = { .pid = pid },
	};
	uint32_t *head = (uint32_t *)(f->data + f->producer);

	*head = sizeof(rec) | BPF_RINGBUF_BUSY_BIT;
	memcpy((char *)head + BPF_RINGBUF_HDR_SZ, &rec, sizeof(rec));
	f->producer += (sizeof(rec) + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
	return head;
}

static void submit(uint32_t *head)
{
	__atomic_store_n(head, *head & ~BPF_RINGBUF_BUSY_BIT, __ATOMIC_RELEASE);
}

static void *submit_late(void *head)
{
	const struct timespec pause = { .tv_nsec = LATE_MS * NSEC_PER_MSEC };

	nanosleep(&pause, NULL);
	submit(head);
	return NULL;
}

static void put_rings(struct rig *g, struct fake_ring f[2])
{
	for (int i = 0; i < 2; i++)
		g->s.ring[i] = (struct ring){
			.size = RING_SIZE,
			.consumer = &f[i].consumer,
			.producer = &f[i].producer,
			.data = f[i].data,
		};
}

static void take_rings(struct rig *g)
{
	memset(g->s.ring, 0, sizeof(g->s.ring));
}

static void test_a_record_that_is_written_late_is_waited_for(void **state)
{
	struct fake_ring f[2] = { 0 };
	struct rig *g = *state;
	uint32_t *busy;
	pthread_t writer;

	put_rings(g, f);
	busy = reserve(&f[1], 1);
	submit(reserve(&f[1], 2));
	assert_int_equal(runaway_sensor_drain(&g->s), 0); /* who is behind it waits, too */
	assert_int_equal(pthread_create(&writer, NULL, submit_late, busy), 0);
	assert_true(sensor_rings_catch_up(&g->s));
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(g->count, 2);
	assert_int_equal(f[1].consumer, f[1].producer);
	take_rings(g);
}

static void test_one_that_stays_busy_is_said(void **state)
{
	struct fake_ring f[2] = { 0 };
	struct rig *g = *state;
	uint32_t *busy;

	put_rings(g, f);
	submit(reserve(&f[0], 1));
	busy = reserve(&f[1], 2);
	submit(reserve(&f[1], 3));
	g->count = 0;
	assert_false(sensor_rings_catch_up(&g->s));
	assert_int_equal(g->count, 1);
	submit(busy);
	assert_true(sensor_rings_catch_up(&g->s));
	assert_int_equal(g->count, 3);
	take_rings(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_record_that_is_written_late_is_waited_for,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_one_that_stays_busy_is_said, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_SENSOR_HARNESS_H
#define TESTS_UNIT_SENSOR_HARNESS_H

/*
 * A sensor without a kernel side: a procfs made of plain files in a folder of
 * its own, and a sink that keeps what it is given.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "sensor/sensor_priv.h"

#define TICK_NS	     (NSEC_PER_SEC / 100)
#define RECORDS_MAX  64
#define RECORD_BYTES (16 * 1024)

struct kept {
	size_t len;
	union {
		struct rw_hdr hdr;
		struct rw_procfs procfs;
		struct rw_reparent reparent;
		struct rw_cgroup_ev cgroup;
		struct rw_host host;
		char room[RECORD_BYTES];
	};
};

struct rig {
	struct runaway_sensor s;
	char root[32];
	size_t count;
	struct kept rec[RECORDS_MAX];
};

static inline void rig_sink(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct rig *g = ctx;

	assert_true(g->count < RECORDS_MAX);
	assert_true(len <= RECORD_BYTES);
	assert_int_equal(rec->len, len);
	g->rec[g->count].len = len;
	memcpy(&g->rec[g->count++].hdr, rec, len);
}

static inline int rig_setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	snprintf(g->root, sizeof(g->root), "/tmp/rw-sensor-XXXXXX");
	assert_non_null(mkdtemp(g->root));
	g->s.proc_root = g->root;
	g->s.proc_fd = open(g->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(g->s.proc_fd >= 0);
	g->s.host = (struct host_files){ -1, -1, -1, -1, -1, -1 };
	g->s.clock_tick_ns = TICK_NS;
	g->s.sink = rig_sink;
	g->s.ctx = g;
	*state = g;
	return 0;
}

static inline int rig_unlink(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int rig_teardown(void **state)
{
	struct rig *g = *state;

	sensor_host_close(&g->s);
	close(g->s.proc_fd);
	nftw(g->root, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(g->s.pending);
	free(g->s.enrich);
	free(g->s.enrich_args);
	free(g->s.snapshot);
	free(g);
	return 0;
}

/* A folder below the root, with those that lead to it. */
static inline void rig_folder(const struct rig *g, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", g->root, name);
	assert_int_equal(runaway_mkdir_p(path, 0700), 0);
}

/* A file below the root, with the folders that lead to it. */
static inline void rig_file(const struct rig *g, const char *name, const void *data, size_t len)
{
	_cleanup_close_ int fd = -1;
	char path[256], *slash;

	snprintf(path, sizeof(path), "%s/%s", g->root, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(runaway_mkdir_p(path, 0700), 0);
	*slash = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(runaway_write_all(fd, data, len), 0);
}

static inline void rig_text(const struct rig *g, const char *name, const char *text)
{
	rig_file(g, name, text, strlen(text));
}

/* /proc/PID/stat as fs/proc/array.c writes it; the start in clock ticks. */
static inline void rig_stat(const struct rig *g, uint32_t pid, const char *comm, char state,
			    uint32_t ppid, uint64_t start_ticks)
{
	char name[32], line[512];

	snprintf(name, sizeof(name), "%u/stat", pid);
	snprintf(line, sizeof(line),
		 "%u (%s) %c %u 7 8 0 -1 4194560 11 12 13 14 250 50 17 18 20 0 1 0 %llu 1000 200 "
		 "18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0\n",
		 pid, comm, state, ppid, (unsigned long long)start_ticks);
	rig_text(g, name, line);
}

static inline void rig_remove(const struct rig *g, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", g->root, name);
	assert_int_equal(remove(path), 0);
}

/* Start times of records have nanoseconds, those of /proc only ticks. */
static inline struct rw_id rig_id(uint32_t pid, uint64_t start_ticks)
{
	return (struct rw_id){ .pid = pid, .start_ns = start_ticks * TICK_NS + 4321 };
}

#endif

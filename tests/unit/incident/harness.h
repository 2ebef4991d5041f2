/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_INCIDENT_HARNESS_H
#define TESTS_UNIT_INCIDENT_HARNESS_H

/* A model fed with records, findings on it, and a store in a folder of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/macros.h"
#include "incident/internal.h"
#include "runaway/wire.h"

#define BOOT_A "11111111-2222-3333-4444-555555555555"
#define BOOT_B "99999999-2222-3333-4444-555555555555"
/* 2026-11-22T02:17:00Z minus 1000 s of uptime. */
#define REALTIME_OFFSET (UINT64_C(1795313820) * NSEC_PER_SEC - 1000 * NSEC_PER_SEC)
#define START_NS	(1000 * NSEC_PER_SEC)

struct harness {
	char dir[PATH_MAX];
	struct runaway_model *m;
	uint64_t now_ns;
	struct lane_set lanes;
	struct incident_store *s;
	struct incident_store_config c;
};

static inline void feed(struct harness *h, void *rec, uint16_t type, size_t len)
{
	struct rw_hdr *hdr = rec;

	hdr->type = type;
	hdr->len = (uint32_t)len;
	hdr->time_ns = h->now_ns;
	assert_int_equal(runaway_model_apply(h->m, hdr, len), 0);
}

static inline void tick(struct harness *h, uint64_t advance_ns)
{
	struct rw_tick t = { 0 };

	h->now_ns += advance_ns;
	t.realtime_ns = h->now_ns + REALTIME_OFFSET;
	feed(h, &t, RW_TICK, sizeof(t));
}

static inline void model_start(struct harness *h, const char *boot_id)
{
	struct rw_meta meta = { .realtime_offset_ns = REALTIME_OFFSET, .ncpu = 4, .hz = 100 };
	struct runaway_model_config config = {
		.limits = { .processes = 4096, .cgroups = 256, .series = 64 },
	};

	strcpy(meta.boot_id, boot_id);
	strcpy(meta.host, "ci-7");
	assert_int_equal(runaway_model_new(&config, &h->m), 0);
	h->now_ns = START_NS;
	feed(h, &meta, RW_META, sizeof(meta));
	tick(h, 0);
}

static inline void harness_open_store(struct harness *h)
{
	assert_int_equal(runaway_store_open(&h->c, &h->s), 0);
}

static inline void harness_close_store(struct harness *h)
{
	runaway_store_close(TAKE_PTR(h->s));
}

static inline void harness_begin(struct harness *h)
{
	const char *tmp = getenv("TMPDIR");

	memset(h, 0, sizeof(*h));
	snprintf(h->dir, sizeof(h->dir), "%s/rw-incident-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(h->dir));
	h->c = (struct incident_store_config){
		.state_dir = h->dir,
		.host_label = "ci-7",
		.env = "test",
		.boot_id = BOOT_A,
	};
	assert_int_equal(runaway_lane_set_builtin(&h->lanes), 0);
	model_start(h, BOOT_A);
}

static inline int remove_entry(const char *path, const struct stat *st _unused_, int type _unused_,
			       struct FTW *ftw _unused_)
{
	return remove(path);
}

static inline void harness_remove_files(struct harness *h)
{
	nftw(h->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void harness_end(struct harness *h)
{
	harness_close_store(h);
	runaway_model_free(h->m);
	runaway_lane_set_free(&h->lanes);
	harness_remove_files(h);
}

/* A finding on a process that the model need not know. */
static inline struct runaway_finding finding_on(struct harness *h, uint32_t pid)
{
	struct runaway_finding f = {
		.lane = runaway_lane_set_find(&h->lanes, "orphan_browser_smoke_runaway_process"),
		.subject = { .kind = RUNAWAY_SUBJECT_ORPHAN_TREE,
			     .id = { .pid = pid, .start_ns = pid * UINT64_C(1000) } },
		.since_ns = h->now_ns,
		.condition_ns = h->now_ns,
		.evidence = { { "cpu_cores", "cores", 1.12, 0.5 } },
		.evidence_count = 1,
	};

	assert_non_null(f.lane);
	snprintf(f.subject.key, sizeof(f.subject.key), "orphan_tree:%u:%u000", pid, pid);
	return f;
}

static inline struct runaway_finding finding_host(struct harness *h)
{
	struct runaway_finding f = {
		.lane = runaway_lane_set_find(&h->lanes, "ci_runner_load_saturation"),
		.subject = { .kind = RUNAWAY_SUBJECT_HOST, .key = "host" },
		.since_ns = h->now_ns,
		.condition_ns = h->now_ns,
		.evidence = { { "load5_per_core", "ratio", 3.5, 1.5 } },
		.evidence_count = 1,
	};

	assert_non_null(f.lane);
	return f;
}

static inline struct incident *open_on(struct harness *h, uint32_t pid)
{
	struct runaway_finding f = finding_on(h, pid);
	struct incident *i = NULL;

	assert_int_equal(runaway_incident_open(h->s, &f, h->m, &i), 0);
	assert_non_null(i);
	return i;
}

static inline void path_of(const struct harness *h, const char *name, char out[PATH_MAX])
{
	assert_true(snprintf(out, PATH_MAX, "%s/%s", h->dir, name) < PATH_MAX);
}

/* The file's bytes; free() them. */
static inline char *slurp(const struct harness *h, const char *name, size_t *ret_len)
{
	struct strbuf b = STRBUF_INIT;
	char path[PATH_MAX];

	path_of(h, name, path);
	assert_int_equal(runaway_read_file(AT_FDCWD, path, 64 << 20, &b), 0);
	if (ret_len)
		*ret_len = b.len;
	return strbuf_take(&b);
}

static inline void spill(const struct harness *h, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];
	FILE *out;

	path_of(h, name, path);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static inline bool verified(const struct harness *h, char **ret_report)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	bool ok = false;

	json_init(&w, &b, false);
	assert_int_equal(runaway_store_verify(h->dir, &w, &ok), 0);
	if (ret_report)
		*ret_report = strbuf_take(&b);
	else
		strbuf_free(&b);
	return ok;
}

static inline cJSON *readback(struct harness *h, const char *incident_id)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	cJSON *json = NULL;

	json_init(&w, &b, false);
	assert_int_equal(runaway_incident_write_readback(h->s, incident_id, &w), 0);
	assert_int_equal(runaway_json_parse(b.data, b.len, &json, NULL), 0);
	strbuf_free(&b);
	return json;
}

#endif

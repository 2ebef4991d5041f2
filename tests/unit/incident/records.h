/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_INCIDENT_RECORDS_H
#define TESTS_UNIT_INCIDENT_RECORDS_H

/* The records of an orphaned tree, and of a busy host. */

#include "incident/harness.h"

#define MAX_DATA 6000

static inline struct rw_id id_of(uint32_t pid)
{
	return (struct rw_id){ .pid = pid, .start_ns = pid * UINT64_C(1000000) };
}

static inline struct rw_id init_id(void)
{
	return (struct rw_id){ .pid = 1, .start_ns = 1000 };
}

struct exec_text {
	const char *comm, *path; /* path: components leaf first, '/' between */
	const char *args;	 /* '|' between */
	const char *markers;	 /* '|' between; NULL: none */
};

static inline uint16_t put(char *data, size_t *at, const char *text, char separator)
{
	size_t len = text ? strlen(text) + 1 : 0;

	if (*at + len > MAX_DATA)
		abort();
	for (size_t n = 0; n < len; n++)
		data[*at + n] = text[n] == separator ? '\0' : text[n];
	*at += len;
	return (uint16_t)len;
}

static inline void rec_fork(struct harness *h, uint32_t pid, struct rw_id origin, uint32_t pgid,
			    struct rw_id ci, const char *comm)
{
	struct rw_fork r = { .id = id_of(pid), .origin = origin, .parent = origin, .ci = ci };

	r.pgid = r.sid = pgid;
	r.cgroup_id = 77;
	memcpy(r.comm, comm, strnlen(comm, sizeof(r.comm)));
	feed(h, &r, RW_FORK, sizeof(r));
}

static inline void rec_exec(struct harness *h, uint32_t pid, const struct exec_text *t)
{
	struct {
		struct rw_exec r;
		char data[MAX_DATA];
	} e = { .r = { .id = id_of(pid), .exec_id = 2, .exe_ino = pid, .cgroup_id = 77 } };
	size_t at = 0, len;

	memcpy(e.r.comm, t->comm, strnlen(t->comm, sizeof(e.r.comm)));
	e.r.path_len = put(e.r.data, &at, t->path, '/');
	e.r.args_len = put(e.r.data, &at, t->args, '|');
	e.r.args_total = e.r.args_len;
	e.r.markers_len = put(e.r.data, &at, t->markers, '|');
	len = offsetof(struct rw_exec, data) + at;
	feed(h, &e, RW_EXEC, (len + 7) & ~(size_t)7);
}

static inline void rec_exit(struct harness *h, uint32_t pid, int32_t status, const char *comm)
{
	struct rw_exit r = { .id = id_of(pid), .exit_code = status };

	memcpy(r.comm, comm, strnlen(comm, sizeof(r.comm)));
	feed(h, &r, RW_EXIT, sizeof(r));
}

static inline void rec_reparent(struct harness *h, uint32_t pid, uint32_t old_parent, uint32_t pgid)
{
	struct rw_reparent r = { .id = id_of(pid),
				 .old_parent = id_of(old_parent),
				 .reaper = init_id() };

	r.pgid = r.sid = pgid;
	r.reaper_flags = RW_TF_NS_INIT;
	r.via = RW_VIA_HOOK;
	strcpy(r.reaper_comm, "systemd");
	feed(h, &r, RW_REPARENT, sizeof(r));
}

static inline void rec_cgroup(struct harness *h, const char *path)
{
	struct rw_cgroup_ev r = { .cgroup_id = 77, .op = RW_CG_FOUND, .level = 2 };

	r.path_len = (uint16_t)(strlen(path) + 1);
	strcpy(r.path, path);
	feed(h, &r, RW_CGROUP, sizeof(r));
}

static inline void rec_cpu(struct harness *h, uint32_t pid, uint64_t cpu_ns)
{
	struct rw_cpu r = { .id = id_of(pid), .cpu_ns = cpu_ns };

	feed(h, &r, RW_CPU, sizeof(r));
}

static inline void rec_host(struct harness *h, uint64_t swap_used_bytes)
{
	struct rw_host r = { .load1_milli = 16000,
			     .load5_milli = 14000,
			     .load15_milli = 9000,
			     .mem_total_bytes = 8ULL << 30,
			     .mem_available_bytes = 1ULL << 30,
			     .swap_total_bytes = 4ULL << 30,
			     .swap_used_bytes = swap_used_bytes,
			     .busy_ns = h->now_ns * 4,
			     .ncpu = 4 };

	for (int n = 0; n < 3; n++) {
		r.psi_cpu_some[n] = 500;
		r.psi_memory_some[n] = r.psi_memory_full[n] = 20;
		r.psi_io_some[n] = r.psi_io_full[n] = RW_UNKNOWN_U64;
	}
	feed(h, &r, RW_HOST, sizeof(r));
}

/* The incident's next state, with a document. */
static inline void go(struct harness *h, const char *incident, enum incident_status to,
		      enum incident_array array, const char *document)
{
	struct incident_step step = { .to = to,
				      .realtime_ns = 1,
				      .reason = "a test",
				      .array = array,
				      .document = document,
				      .remediation = to == INCIDENT_POST_CHECK ? REMEDIATION_PENDING
									       : REMEDIATION_MAX };

	assert_int_equal(runaway_incident_step(h->s, incident, &step), 0);
}

#endif

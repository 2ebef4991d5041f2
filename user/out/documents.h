/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_DOCUMENTS_H
#define RUNAWAY_OUT_DOCUMENTS_H

/* Pieces that several documents share; private to this room. */

#include "out/view.h"

/* What a finding's subject costs now. */
struct subject_now {
	bool known;				 /* false: it is not in the model (any more) */
	const struct runaway_proc *root;	 /* NULL for cgroup and host */
	const char *comm, *origin_comm, *cgroup; /* NULL: unknown or not applicable */
	double cpu_cores;
	uint32_t processes;
	bool processes_known;
};

/*
 * Orphan groups by their root, to look subjects up in O(log n). `by_root` is
 * owned; valid as long as the model's groups are.
 */
struct group_ref {
	struct runaway_id root;
	const struct runaway_group *group;
};
struct group_index {
	struct group_ref *by_root;
	size_t count;
};
/* 0 or -ENOMEM. */
int runaway_out_group_index_init(struct group_index *g, const struct runaway_model *m);
void runaway_out_group_index_free(struct group_index *g);
void runaway_out_subject_now(const struct runaway_view *v, const struct group_index *g,
			     const struct runaway_finding *f, struct subject_now *ret);

/* "pid" and "start_ns"; null for no process. */
void runaway_out_write_id(struct json_writer *w, struct runaway_id id);
/* ["a","b"]; null when unknown. */
void runaway_out_write_args(struct json_writer *w, const char *args, size_t len);
/* A time of the boot clock as RFC 3339; null for 0. */
void runaway_out_write_boot_time(const struct runaway_view *v, struct json_writer *w,
				 const char *key, uint64_t boot_ns);
/* comm as a string, null when empty. */
void runaway_out_write_comm(struct json_writer *w, const char *key, const char *comm);
/* {"error":{"code":…,"message":…}} */
void runaway_out_write_error(struct json_writer *w, const char *code, const char *message);

/* Sorts what `limit` asks for to the front: busiest first; ties by `order` to be stable. */
struct busy {
	double cores;
	uint64_t order;
	const void *what;
};
struct busy_list {
	struct busy *item; /* owned */
	size_t count, cap;
	int error;
};
void runaway_out_busy_add(struct busy_list *l, double cores, uint64_t order, const void *what);
void runaway_out_busy_sort(struct busy_list *l);
void runaway_out_busy_free(struct busy_list *l);
/* A limit as asked for, bounded: 0 is the default. */
size_t runaway_out_top_limit(size_t limit);

#endif

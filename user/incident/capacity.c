/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet of a capacity finding: who uses the host, in sums. It names no
 * process, so that nobody can be led to signal one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/macros.h"
#include "incident/internal.h"

#define ROWS_MAX 20

struct row {
	char *key; /* what is summed: a marker set, or comm and cgroup */
	const struct runaway_ci *ci;
	const char *comm, *cgroup;
	double cores;
	uint64_t processes;
	UT_hash_handle hh;
};

struct sums {
	const struct runaway_model *m;
	struct row *jobs, *consumers;
};

static char *job_key(const struct runaway_ci *ci)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%s", ci->runner ? ci->runner : "");
	for (size_t n = 0; n < ci->count; n++)
		strbuf_addf(&b, "\n%s=%s", ci->marker[n].name, ci->marker[n].value);
	return strbuf_take(&b);
}

static char *consumer_key(const struct runaway_proc *p, const char *cgroup)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%s\n%s", cgroup ? cgroup : "", p->comm);
	return strbuf_take(&b);
}

/* Adds to the row of that key (consumed); NULL: no memory, the row is left out. */
static struct row *add_to(struct row **table, char *key, double cores)
{
	_cleanup_free_ char *owned = key;
	struct row *r = NULL;

	if (!key)
		return NULL;
	HASH_FIND_STR(*table, key, r);
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return NULL;
		r->key = TAKE_PTR(owned);
		HASH_ADD_KEYPTR(hh, *table, r->key, strlen(r->key), r);
	}
	r->cores += cores;
	r->processes++;
	return r;
}

static void sum_process(void *ctx, struct runaway_proc *p)
{
	struct sums *sums = ctx;
	const char *cgroup;
	struct row *r;
	double cores;

	if (!p->ci || p->state != RUNAWAY_ALIVE)
		return;
	cores = runaway_proc_cores(sums->m, p);
	r = add_to(&sums->jobs, job_key(p->ci), cores);
	if (r)
		r->ci = p->ci;
	cgroup = runaway_proc_cgroup_path(sums->m, p);
	r = add_to(&sums->consumers, consumer_key(p, cgroup), cores);
	if (r) {
		r->comm = p->comm;
		r->cgroup = cgroup;
	}
}

static int busiest_first(const struct row *a, const struct row *b)
{
	if (a->cores != b->cores)
		return a->cores < b->cores ? 1 : -1;
	return strcmp(a->key, b->key);
}

static void free_rows(struct row *table)
{
	struct row *r, *next;

	HASH_ITER (hh, table, r, next) {
		HASH_DEL(table, r);
		free(r->key);
		free(r);
	}
}

static void write_row_sums(struct json_writer *w, const struct row *r)
{
	json_kv_fixed(w, "cpu_cores", r->cores, 3);
	json_kv_uint(w, "processes", r->processes);
}

static void write_jobs(struct json_writer *w, struct row *table)
{
	size_t n = 0;

	json_kv_uint(w, "ci_runs_total", HASH_COUNT(table));
	json_key(w, "ci_runs");
	json_array_begin(w);
	for (struct row *r = table; r && n < ROWS_MAX; r = r->hh.next, n++) {
		json_object_begin(w);
		incident_ci_members(w, r->ci);
		write_row_sums(w, r);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_consumers(struct json_writer *w, struct row *table)
{
	size_t n = 0;

	json_key(w, "top_ci_consumers");
	json_array_begin(w);
	for (struct row *r = table; r && n < ROWS_MAX; r = r->hh.next, n++) {
		json_object_begin(w);
		json_kv_string(w, "comm", r->comm);
		json_kv_string(w, "cgroup", r->cgroup);
		write_row_sums(w, r);
		json_object_end(w);
	}
	json_array_end(w);
}

static void number(struct json_writer *w, const char *key, double v, bool known)
{
	if (!known || isnan(v))
		json_kv_null(w, key);
	else
		json_kv_fixed(w, key, v, 4);
}

static void write_load(struct json_writer *w, const struct runaway_host_state *h)
{
	bool known = h->known && h->ncpu > 0;
	double cpus = known ? h->ncpu : 1;

	json_key(w, "load_per_core");
	json_object_begin(w);
	number(w, "load1", h->load1 / cpus, known);
	number(w, "load5", h->load5 / cpus, known);
	number(w, "load15", h->load15 / cpus, known);
	json_object_end(w);
	number(w, "busy_cores", h->busy_cores, h->known);
	number(w, "ci_cores", h->ci_cores, h->known);
	if (known)
		json_kv_uint(w, "cpus", h->ncpu);
	else
		json_kv_null(w, "cpus");
	json_kv_uint(w, "ci_containers", h->ci_containers);
}

static void write_swap(struct json_writer *w, const struct runaway_host_state *h,
		       const struct packet_base *base)
{
	json_key(w, "swap");
	json_object_begin(w);
	number(w, "used_ratio", h->swap_used_ratio, h->known);
	if (h->known) {
		json_kv_uint(w, "total_bytes", h->swap_total_bytes);
		json_kv_uint(w, "used_bytes", h->swap_used_bytes);
	}
	if (h->known && base) {
		json_kv_uint(w, "first_used_bytes", base->swap_first_bytes);
		json_kv_time(w, "first_seen_at", base->swap_first_realtime_ns);
		json_kv_int(w, "trend_bytes",
			    (int64_t)(h->swap_used_bytes - base->swap_first_bytes));
	} else {
		json_kv_null(w, "trend_bytes");
	}
	json_object_end(w);
}

static void write_pressure_of(struct json_writer *w, const char *key, const double v[3], bool known)
{
	json_key(w, key);
	json_object_begin(w);
	number(w, "avg10", v[0], known);
	number(w, "avg60", v[1], known);
	number(w, "avg300", v[2], known);
	json_object_end(w);
}

static void write_pressure(struct json_writer *w, const struct runaway_host_state *h)
{
	json_key(w, "pressure_ratio");
	json_object_begin(w);
	write_pressure_of(w, "cpu_some", h->psi_cpu_some, h->known);
	write_pressure_of(w, "memory_some", h->psi_memory_some, h->known);
	write_pressure_of(w, "memory_full", h->psi_memory_full, h->known);
	write_pressure_of(w, "io_some", h->psi_io_some, h->known);
	write_pressure_of(w, "io_full", h->psi_io_full, h->known);
	json_object_end(w);
}

void incident_capacity_write(struct json_writer *w, const struct runaway_finding *f,
			     const struct runaway_model *m, const struct packet_base *base)
{
	const struct runaway_host_state *host = runaway_model_host(m);
	struct sums sums = { .m = m };

	runaway_model_each(m, sum_process, &sums);
	HASH_SORT(sums.jobs, busiest_first);
	HASH_SORT(sums.consumers, busiest_first);
	json_object_begin(w);
	incident_packet_head(w, f, m, "capacity");
	write_jobs(w, sums.jobs);
	/* The runner's own queue is not visible from the host. */
	json_kv_null(w, "runner_queue");
	write_load(w, host);
	write_swap(w, host, base);
	write_pressure(w, host);
	write_consumers(w, sums.consumers);
	json_kv_bool(w, "dry_run_allowed", false);
	json_kv_null(w, "target");
	json_kv_string(w, "next_step",
		       "Capacity, not a runaway: spread or limit the CI runs above. This lane "
		       "names no process and offers no dry-run.");
	json_object_end(w);
	free_rows(sums.jobs);
	free_rows(sums.consumers);
}

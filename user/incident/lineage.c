/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who started it: the chain of origins, dead ones included, nearest first. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "incident/internal.h"

/* Deeper chains are shells in shells; the model bounds them as well. */
#define LINEAGE_MAX 32

void incident_args_write(struct json_writer *w, const struct runaway_image *image)
{
	json_key(w, "args");
	if (!image || !image->args) {
		json_null(w);
		return;
	}
	json_array_begin(w);
	for (size_t at = 0; at < image->args_len;) {
		size_t len = strnlen(image->args + at, image->args_len - at);

		json_string_n(w, image->args + at, len);
		at += len + 1;
	}
	json_array_end(w);
}

static void write_exit(struct json_writer *w, const struct runaway_proc *p)
{
	json_key(w, "exit");
	if (!p->exit_known) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_int(w, "signal", WIFSIGNALED(p->exit_code) ? WTERMSIG(p->exit_code) : 0);
	json_kv_int(w, "code", WIFEXITED(p->exit_code) ? WEXITSTATUS(p->exit_code) : 0);
	json_object_end(w);
}

static void write_ancestor(struct json_writer *w, const struct runaway_model *m,
			   const struct runaway_proc *p)
{
	json_object_begin(w);
	json_kv_uint(w, "pid", p->id.pid);
	json_kv_u64_string(w, "start_ns", p->id.start_ns);
	json_kv_string(w, "comm", p->comm[0] ? p->comm : NULL);
	json_kv_string(w, "exe", p->image ? p->image->exe : NULL);
	incident_args_write(w, p->image);
	json_kv_bool(w, "alive", p->state == RUNAWAY_ALIVE);
	json_kv_time(w, "started_at", runaway_model_realtime(m, p->id.start_ns));
	json_kv_time(w, "exited_at", runaway_model_realtime(m, p->exit_ns));
	write_exit(w, p);
	json_kv_string(w, "cgroup", runaway_proc_cgroup_path(m, p));
	json_object_end(w);
}

void runaway_lineage_write(struct json_writer *w, const struct runaway_model *m,
			   const struct runaway_proc *p)
{
	const struct runaway_proc *a = p ? p->origin : NULL;

	json_array_begin(w);
	for (int depth = 0; a && depth < LINEAGE_MAX; depth++, a = a->origin)
		write_ancestor(w, m, a);
	json_array_end(w);
}

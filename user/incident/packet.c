/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The triage packet of a process: what a person needs to decide on it. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "incident/internal.h"

#define MEMBERS_MAX 50

void incident_finding_write(struct json_writer *w, const struct runaway_finding *f,
			    const struct runaway_model *m)
{
	json_object_begin(w);
	json_kv_string(w, "lane_id", f->lane->lane_id);
	json_kv_string(w, "alertname", f->lane->alertname);
	json_kv_string(w, "classification", runaway_classification_name(f->lane->classification));
	json_kv_string(w, "action_policy", runaway_policy_name(f->lane->action_policy));
	json_kv_string(w, "severity", runaway_severity_name(f->lane->severity));
	json_kv_string(w, "subject_key", f->subject.key);
	json_kv_time(w, "since", runaway_model_realtime(m, f->since_ns));
	json_kv_time(w, "condition_since", runaway_model_realtime(m, f->condition_ns));
	json_key(w, "evidence");
	runaway_evidence_write(w, f->evidence, f->evidence_count);
	json_object_end(w);
}

void incident_packet_head(struct json_writer *w, const struct runaway_finding *f,
			  const struct runaway_model *m, const char *kind)
{
	json_kv_string(w, "schema_version", "runaway_triage_packet_v1");
	json_kv_string(w, "kind", kind);
	json_kv_time(w, "generated_at", incident_now(m));
	json_kv_string(w, "lane_id", f->lane->lane_id);
	json_kv_string(w, "alertname", f->lane->alertname);
	json_kv_string(w, "severity", runaway_severity_name(f->lane->severity));
	json_kv_string(w, "classification", runaway_classification_name(f->lane->classification));
	json_kv_string(w, "action_policy", runaway_policy_name(f->lane->action_policy));
	json_key(w, "evidence");
	runaway_evidence_write(w, f->evidence, f->evidence_count);
}

struct member {
	const struct runaway_proc *p;
	double cores;
};

struct members {
	struct member *m;
	size_t count, cap;
};

static int add_member(struct members *list, const struct runaway_model *m,
		      const struct runaway_proc *p)
{
	struct member *grown;

	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 32;

		grown = realloc(list->m, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->m = grown;
		list->cap = cap;
	}
	list->m[list->count++] = (struct member){ p, runaway_proc_cores(m, p) };
	return 0;
}

static int add_tree(struct members *list, const struct runaway_model *m,
		    const struct runaway_proc *root)
{
	const size_t limit = runaway_model_living(m) + 1;
	const struct runaway_proc *p = root;
	int err = 0;

	for (; p && err == 0 && list->count < limit; p = runaway_proc_tree_next(root, p))
		err = add_member(list, m, p);
	return err;
}

static int busiest_first(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->cores != y->cores)
		return x->cores < y->cores ? 1 : -1;
	return (x->p->id.pid > y->p->id.pid) - (x->p->id.pid < y->p->id.pid);
}

static void write_identity(struct json_writer *w, const struct runaway_proc *p)
{
	json_kv_uint(w, "pid", p->id.pid);
	json_kv_u64_string(w, "start_ns", p->id.start_ns);
}

static void write_members(struct json_writer *w, const struct members *list)
{
	json_kv_uint(w, "members_total", list->count);
	json_key(w, "members");
	json_array_begin(w);
	for (size_t n = 0; n < MIN(list->count, (size_t)MEMBERS_MAX); n++) {
		const struct member *e = &list->m[n];

		json_object_begin(w);
		write_identity(w, e->p);
		json_kv_string(w, "comm", e->p->comm);
		json_kv_uint(w, "pgid", e->p->pgid);
		json_kv_fixed(w, "cpu_cores", e->cores, 3);
		json_kv_fixed(w, "cpu_seconds", (double)e->p->cpu_ns / NSEC_PER_SEC, 3);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_process_group(struct json_writer *w, const struct runaway_model *m,
				const struct runaway_group *g, const struct runaway_proc *root)
{
	struct members list = { 0 };
	int err = 0;

	for (size_t n = 0; g && n < g->orphan_count && err == 0; n++)
		err = add_tree(&list, m, g->orphan[n]);
	if (!g && root)
		(void)add_member(&list, m, root);
	if (list.count > 0)
		qsort(list.m, list.count, sizeof(*list.m), busiest_first);
	json_key(w, "process_group");
	json_object_begin(w);
	if (root) {
		json_kv_uint(w, "pgid", root->pgid);
		json_key(w, "root");
		json_object_begin(w);
		write_identity(w, root);
		json_kv_string(w, "comm", root->comm);
		json_object_end(w);
	} else {
		json_kv_null(w, "pgid");
		json_kv_null(w, "root");
	}
	write_members(w, &list);
	json_object_end(w);
	free(list.m);
}

static void number(struct json_writer *w, const char *key, double v)
{
	if (isnan(v))
		json_kv_null(w, key);
	else
		json_kv_fixed(w, key, v, 3);
}

static void write_cpu_and_age(struct json_writer *w, const struct runaway_finding *f,
			      const struct runaway_model *m, const struct runaway_proc *root)
{
	const struct runaway_orphan *o = root ? root->orphan : NULL;
	struct incident_point now;
	double age_s = NAN;

	incident_measure(f, m, &now);
	json_key(w, "cpu");
	json_object_begin(w);
	number(w, "cores", now.cpu_cores);
	number(w, o ? "seconds_since_orphaned" : "seconds", now.cpu_seconds);
	json_kv_uint(w, "processes", now.processes);
	json_kv_uint(w, "rss_bytes", now.rss_bytes);
	json_object_end(w);
	if (o)
		age_s = (double)runaway_orphan_age_ns(m, root) / NSEC_PER_SEC;
	else if (root)
		age_s = (double)(runaway_model_now(m) - root->id.start_ns) / NSEC_PER_SEC;
	json_key(w, "age");
	json_object_begin(w);
	number(w, "age_s", age_s);
	json_kv_string(w, "counted_from",
		       !o	     ? "start"
		       : o->since_ns ? "reparenting"
				     : "first_seen");
	json_kv_time(w, "orphaned_at", o ? runaway_model_realtime(m, o->since_ns) : 0);
	json_object_end(w);
}

void incident_ci_members(struct json_writer *w, const struct runaway_ci *ci)
{
	json_kv_string(w, "runner", ci->runner);
	json_key(w, "markers");
	json_object_begin(w);
	/* Each name once: the model sees to that. */
	for (size_t n = 0; n < ci->count; n++)
		json_kv_string(w, ci->marker[n].name, ci->marker[n].value);
	json_object_end(w);
}

void runaway_ci_write(struct json_writer *w, const struct runaway_ci *ci)
{
	json_key(w, "ci");
	if (!ci) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	incident_ci_members(w, ci);
	json_object_end(w);
}

static void write_command(struct json_writer *w, const char *key, const struct runaway_proc *p,
			  const struct runaway_ci *ci)
{
	json_key(w, key);
	if (!p) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_string(w, "comm", p->comm);
	json_kv_string(w, "exe", p->image ? p->image->exe : NULL);
	incident_args_write(w, p->image);
	runaway_ci_write(w, ci);
	json_object_end(w);
}

static void write_cgroup(struct json_writer *w, const struct runaway_model *m,
			 const struct runaway_proc *p)
{
	_cleanup_(runaway_cgroup_names_free) struct runaway_cgroup_names names = { 0 };
	const char *path = p ? runaway_proc_cgroup_path(m, p) : NULL;

	if (p)
		(void)runaway_proc_cgroup_names(m, p, &names);
	json_key(w, "cgroup");
	json_object_begin(w);
	json_kv_string(w, "path", path);
	json_kv_string(w, "container_id", names.container_id);
	json_kv_string(w, "pod_uid", names.pod_uid);
	json_kv_string(w, "unit", names.unit);
	json_object_end(w);
}

static void write_target(struct json_writer *w, const struct runaway_finding *f,
			 const struct runaway_proc *root)
{
	bool allowed = f->lane->action_policy == RUNAWAY_POLICY_GATED_SIGTERM && root &&
		       root->state == RUNAWAY_ALIVE;

	json_kv_bool(w, "dry_run_allowed", allowed);
	json_key(w, "target");
	if (!allowed) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	write_identity(w, root);
	json_kv_string(w, "comm", root->comm);
	json_kv_string(w, "exe", root->image ? root->image->exe : NULL);
	incident_args_write(w, root->image);
	json_object_end(w);
}

/* How the origin ended is what tells an accident from a daemon. */
static void write_why(struct json_writer *w, const struct runaway_model *m,
		      const struct runaway_proc *root)
{
	const struct runaway_proc *o = root ? root->origin : NULL;
	enum runaway_daemonised d = root ? runaway_proc_daemonised(m, root) : RUNAWAY_DAEMONISED_NO;
	const char *list = root && runaway_proc_is_service(root)
				   ? "its name is a common daemon's, which excuses no job's"
				   : "it is on no list of orphans by design";

	json_key(w, "why_not_by_design");
	if (!root)
		json_null(w);
	else if (d == RUNAWAY_DAEMONISED_YES)
		json_string(w,
			    "it does look left behind on purpose: the lane takes it all the same");
	else if (!o)
		json_stringf(w, "its origin was gone before the sensor looked; %s", list);
	else if (o->state == RUNAWAY_ALIVE)
		json_stringf(w, "its origin %s is alive; %s", o->comm, list);
	else if (!o->exit_known)
		json_stringf(w, "its origin %s ended in an unknown way; %s", o->comm, list);
	else if (WIFSIGNALED(o->exit_code))
		json_stringf(w, "its origin %s was killed by signal %d while this went on working",
			     o->comm, WTERMSIG(o->exit_code));
	else if (d == RUNAWAY_DAEMONISED_UNKNOWN)
		json_stringf(w,
			     "its origin %s exited with code 0 right after the fork, as that of a "
			     "daemon does; but it is a CI job's, and a test that ends without "
			     "closing what it started looks the same",
			     o->comm);
	else
		json_stringf(w,
			     "its origin %s exited with code %d, not in the way of a daemon that "
			     "detaches; %s",
			     o->comm, WEXITSTATUS(o->exit_code), list);
}

static void write_post_check(struct json_writer *w, const struct runaway_finding *f)
{
	json_key(w, "post_check");
	json_array_begin(w);
	json_string(w, "the process group has no living member of the tree");
	json_stringf(w, "the finding of lane %s has ended and its alert %s is resolved",
		     f->lane->lane_id, f->lane->alertname ? f->lane->alertname : "(none)");
	json_string(w, "CPU of its cgroup and load per core fell, compared before and after");
	json_string(w, "services that were healthy before are healthy after");
	json_array_end(w);
}

static const char *next_step(const struct runaway_finding *f, const struct runaway_proc *root)
{
	if (!root)
		return "The subject is gone: read the story, look for what started it.";
	if (f->lane->action_policy != RUNAWAY_POLICY_GATED_SIGTERM)
		return "Triage only: find the owner of the source command. No dry-run is offered "
		       "by this lane.";
	return "Check source command and owner. If the tree has to go: `incident dry-run`, an "
	       "owner's `incident approve`, `incident apply`.";
}

static void write_process_packet(struct json_writer *w, const struct runaway_finding *f,
				 const struct runaway_model *m)
{
	const struct runaway_proc *root = runaway_model_find(m, f->subject.id);
	const struct runaway_group *g = incident_group(f, m);

	json_object_begin(w);
	incident_packet_head(w, f, m, "process");
	write_process_group(w, m, g, root);
	write_cpu_and_age(w, f, m, root);
	write_command(w, "source_command", root ? root->origin : NULL, root ? root->ci : NULL);
	write_command(w, "command", root, root ? root->ci : NULL);
	write_cgroup(w, m, root);
	write_target(w, f, root);
	write_post_check(w, f);
	write_why(w, m, root);
	json_kv_string(w, "next_step", next_step(f, root));
	json_object_end(w);
}

void incident_packet_write(struct json_writer *w, const struct runaway_finding *f,
			   const struct runaway_model *m, const struct packet_base *base)
{
	bool process = f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE ||
		       f->subject.kind == RUNAWAY_SUBJECT_PROCESS;

	if (process && f->lane->classification == RUNAWAY_CLASS_RUNAWAY_PROCESS)
		write_process_packet(w, f, m);
	else
		incident_capacity_write(w, f, m, base);
}

int incident_packet_resolved(const char *packet, char **ret)
{
	_cleanup_cjson_ cJSON *json = NULL;
	cJSON *next;
	int err = runaway_json_parse(packet, strlen(packet), &json, NULL);

	if (err < 0)
		return err;
	next = cJSON_GetObjectItemCaseSensitive(json, "next_step");
	if (!cJSON_IsString(next))
		return -EBADMSG;
	if (!cJSON_SetValuestring(next, "resolved: nothing to do"))
		return -ENOMEM;
	return incident_json_text(json, ret);
}

void runaway_packet_write(struct json_writer *w, const struct runaway_finding *f,
			  const struct runaway_model *m)
{
	incident_packet_write(w, f, m, NULL);
}

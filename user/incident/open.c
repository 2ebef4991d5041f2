/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a finding to its incident: the same one, a new one, or a recurrence; and its end. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "incident/internal.h"

/* A finding that comes back within a day is the same trouble again. */
#define RECURRENCE_NS (UINT64_C(24) * 3600 * NSEC_PER_SEC)

bool incident_id_valid(const char *id)
{
	static const char shape[] = "inc_dddddddd_dddd_xxxxxxxx";

	if (strlen(id) != sizeof(shape) - 1)
		return false;
	for (size_t n = 0; shape[n]; n++) {
		bool digit = id[n] >= '0' && id[n] <= '9';

		if (shape[n] == 'd'   ? !digit
		    : shape[n] == 'x' ? !digit && (id[n] < 'a' || id[n] > 'f')
				      : id[n] != shape[n])
			return false;
	}
	return true;
}

/* The boot of the records: a recording's own, when it is replayed. */
static const char *boot_of(const struct incident_store *s, const struct runaway_model *m)
{
	const struct rw_meta *meta = runaway_model_meta(m);

	return meta && meta->boot_id[0] ? meta->boot_id : s->boot_id;
}

/*
 * Not random: a replay of the same recording must give the same bytes. The
 * attempt number only counts when an id is taken.
 */
static void make_id(const struct incident_store *s, struct incident *i)
{
	time_t t = (time_t)(i->opened_realtime_ns / NSEC_PER_SEC);
	char text[512], hex[RUNAWAY_SHA256_HEX];
	const struct incident *taken;
	unsigned int attempt = 0;
	struct tm tm = { 0 };

	gmtime_r(&t, &tm);
	do {
		size_t n =
			strftime(i->incident_id, sizeof(i->incident_id), "inc_%Y%m%d_%H%M_", &tm);
		int len = snprintf(text, sizeof(text), "%s\n%s\n%s\n%llu\n%u", i->boot_id,
				   i->lane_id, i->subject_key,
				   (unsigned long long)i->opened_realtime_ns, attempt++);

		runaway_sha256_hex(text, MIN((size_t)len, sizeof(text) - 1), hex);
		memcpy(i->incident_id + n, hex, 8);
		i->incident_id[n + 8] = '\0';
		HASH_FIND_STR(s->incidents, i->incident_id, taken);
	} while (taken);
}

static bool same_subject(const struct incident *i, const struct runaway_finding *f,
			 const char *boot_id)
{
	return strcmp(i->subject_key, f->subject.key) == 0 && strcmp(i->boot_id, boot_id) == 0;
}

static struct incident *find_open(const struct incident_store *s, const struct runaway_finding *f,
				  const char *boot_id)
{
	for (struct incident *i = incident_store_newest(s); i; i = i->hh.prev)
		if (i->status < INCIDENT_RESOLVED && strcmp(i->lane_id, f->lane->lane_id) == 0 &&
		    same_subject(i, f, boot_id))
			return i;
	return NULL;
}

static bool equal_known(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* docs/incidents.md, "Recurrence". */
static bool recurs(const struct incident *old, const struct incident *now)
{
	if (old->status < INCIDENT_RESOLVED || strcmp(old->lane_id, now->lane_id) != 0)
		return false;
	if (old->resolved_realtime_ns + RECURRENCE_NS < now->opened_realtime_ns)
		return false;
	if (old->subject_kind != now->subject_kind)
		return false;
	switch (now->subject_kind) {
	case RUNAWAY_SUBJECT_HOST:
		return true;
	case RUNAWAY_SUBJECT_CGROUP:
		return equal_known(old->cgroup, now->cgroup);
	default:
		if (strcmp(old->subject_key, now->subject_key) == 0 &&
		    strcmp(old->boot_id, now->boot_id) == 0)
			return true;
		return equal_known(old->comm, now->comm) &&
		       equal_known(old->origin_comm, now->origin_comm);
	}
}

static void find_recurrence(const struct incident_store *s, struct incident *now)
{
	for (const struct incident *i = incident_store_newest(s); i; i = i->hh.prev)
		if (recurs(i, now)) {
			memcpy(now->recurrence_of, i->incident_id, sizeof(now->recurrence_of));
			return;
		}
}

/* An empty name is an unknown one. */
static int copy_or_null(const char *from, char **to)
{
	if (!from || from[0] == '\0')
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

int incident_fill_names(struct incident *i, const struct runaway_finding *f,
			const struct runaway_model *m)
{
	const struct runaway_proc *p = NULL;
	const struct runaway_cgroup *cg;
	int err = 0;

	if (f->subject.id.pid != 0)
		p = runaway_model_find(m, f->subject.id);
	if (p) {
		err = copy_or_null(p->comm, &i->comm);
		if (err == 0 && p->origin)
			err = copy_or_null(p->origin->comm, &i->origin_comm);
		if (err == 0)
			err = copy_or_null(runaway_proc_cgroup_path(m, p), &i->cgroup);
	} else if (f->subject.kind == RUNAWAY_SUBJECT_CGROUP) {
		cg = runaway_model_cgroup(m, f->subject.cgroup_id);
		err = copy_or_null(cg ? cg->path : NULL, &i->cgroup);
	}
	return err;
}

static void title_number(struct strbuf *b, double v, const char *what)
{
	if (isnan(v))
		strbuf_adds(b, "CPU");
	else
		strbuf_addf(b, "%.2f %s", v, what);
}

static int make_title(struct incident *i, const struct runaway_finding *f,
		      const struct runaway_model *m)
{
	const struct runaway_host_state *host = runaway_model_host(m);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *comm = i->comm ? i->comm : "unknown";
	struct incident_point now;

	incident_measure(f, m, &now);
	switch (f->subject.kind) {
	case RUNAWAY_SUBJECT_ORPHAN_TREE:
		strbuf_addf(&b, "orphan %s tree (%u process%s) of %s burns ", comm, now.processes,
			    now.processes == 1 ? "" : "es",
			    i->origin_comm ? i->origin_comm : "unknown origin");
		title_number(&b, now.cpu_cores, "cores");
		break;
	case RUNAWAY_SUBJECT_PROCESS:
		strbuf_addf(&b, "process %s burns ", comm);
		title_number(&b, now.cpu_cores, "cores");
		break;
	case RUNAWAY_SUBJECT_CGROUP:
		strbuf_addf(&b, "cgroup %s burns ", i->cgroup ? i->cgroup : "of unknown path");
		title_number(&b, now.cpu_cores, "cores");
		break;
	default:
		if (!host->known) {
			strbuf_adds(&b, "host is saturated");
			break;
		}
		strbuf_addf(&b, "host is saturated: load5 %.2f per core, %u CI job%s",
			    host->load5_per_core, host->ci_jobs, host->ci_jobs == 1 ? "" : "s");
		break;
	}
	i->title = strbuf_take(&b);
	return i->title ? 0 : -ENOMEM;
}

static int fill(struct incident_store *s, struct incident_record *rec,
		const struct runaway_finding *f, const struct runaway_model *m)
{
	struct incident *i = &rec->i;
	int err;

	i->opened_realtime_ns = i->updated_realtime_ns = incident_now(m);
	snprintf(i->lane_id, sizeof(i->lane_id), "%s", f->lane->lane_id);
	snprintf(i->boot_id, sizeof(i->boot_id), "%.39s", boot_of(s, m));
	memcpy(i->subject_key, f->subject.key, sizeof(i->subject_key));
	i->severity = f->lane->severity;
	i->subject_kind = f->subject.kind;
	i->root = f->subject.id;
	incident_note_swap(rec, m);
	err = copy_or_null(s->env, &i->env);
	if (err == 0)
		err = incident_fill_names(i, f, m);
	if (err == 0)
		err = make_title(i, f, m);
	if (err == 0)
		err = incident_timeline_seed(i, f, m);
	if (err == 0)
		err = incident_refresh(rec, f, m);
	if (err < 0)
		return err;
	make_id(s, i);
	if (!i->drill)
		find_recurrence(s, i);
	rec->observed_realtime_ns = i->opened_realtime_ns;
	rec->refreshed_boot_ns = runaway_model_now(m);
	return 0;
}

static char *opened_data(const struct incident *i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "lane_id", i->lane_id);
	json_kv_string(&w, "severity", runaway_severity_name(i->severity));
	json_kv_string(&w, "subject_key", i->subject_key);
	json_kv_string(&w, "recurrence_of", i->recurrence_of[0] ? i->recurrence_of : NULL);
	if (i->drill)
		json_kv_bool(&w, "drill", true);
	json_object_end(&w);
	return strbuf_take(&b);
}

static int open_incident(struct incident_store *s, const struct runaway_finding *f,
			 const struct runaway_model *m, bool drill, struct incident **ret)
{
	_cleanup_(incident_record_freep) struct incident_record *rec = NULL;
	_cleanup_free_ char *data = NULL;
	struct incident_change c = {
		.type = "opened",
		.new = runaway_incident_status_name(INCIDENT_OPEN),
	};
	struct incident *i = find_open(s, f, boot_of(s, m));
	int err;

	if (i) {
		*ret = i;
		return 0;
	}
	rec = incident_record_new();
	if (rec)
		rec->i.drill = drill;
	err = rec ? fill(s, rec, f, m) : -ENOMEM;
	if (err < 0)
		return err;
	i = &rec->i;
	data = opened_data(i);
	if (!data)
		return -ENOMEM;
	c.realtime_ns = i->opened_realtime_ns;
	c.reason = i->title;
	c.data = data;
	HASH_ADD_STR(s->incidents, incident_id, i);
	err = incident_change_record(s, rec, &c);
	if (err < 0) {
		HASH_DEL(s->incidents, i);
		return err;
	}
	incident_store_count_opened(s, i);
	incident_store_trim(s);
	*ret = &TAKE_PTR(rec)->i;
	return 0;
}

int runaway_incident_open(struct incident_store *s, const struct runaway_finding *f,
			  const struct runaway_model *m, struct incident **ret)
{
	return open_incident(s, f, m, false, ret);
}

int runaway_incident_open_drill(struct incident_store *s, const struct runaway_finding *f,
				const struct runaway_model *m, struct incident **ret)
{
	return open_incident(s, f, m, true, ret);
}

static const char *end_reason(enum finding_end why)
{
	switch (why) {
	case FINDING_CLEARED:
		return "the subject calmed down: the lane's clear condition held long enough";
	case FINDING_GONE:
		return "the subject ended";
	case FINDING_LANE_OFF:
		return "the lane was removed or switched off";
	default:
		return "the subject no longer matches the lane";
	}
}

int runaway_incident_self_clear(struct incident_store *s, const char *incident_id,
				enum finding_end why, const struct runaway_model *m)
{
	struct incident_step how = {
		.to = INCIDENT_RESOLVED,
		.realtime_ns = incident_now(m),
		.reason = end_reason(why),
		.remediation = REMEDIATION_MAX,
	};
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	if (!i)
		return -ENOENT;
	if (i->status == INCIDENT_ACTING || i->status == INCIDENT_POST_CHECK)
		return 0;
	return incident_resolve(s, incident_record_of(i), "self_cleared",
				runaway_finding_end_name(why), &how);
}

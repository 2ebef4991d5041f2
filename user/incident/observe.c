/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open incident from tick to tick: its timeline, its documents, and who its subject is now. */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

/* How often packet, lineage and readback.json of an open incident are made anew. */
#define REFRESH_NS (10 * NSEC_PER_SEC)

void incident_note_swap(struct incident_record *rec, const struct runaway_model *m)
{
	const struct runaway_host_state *host = runaway_model_host(m);

	if (rec->swap_known || !host || !host->known)
		return;
	rec->swap_known = true;
	rec->swap_first_bytes = host->swap_used_bytes;
	rec->swap_first_realtime_ns = incident_now(m);
}

/* ---- documents ---- */

static int refresh_text(char **text, struct strbuf *b)
{
	char *made = strbuf_take(b);

	if (!made)
		return -ENOMEM;
	free(*text);
	*text = made;
	return 0;
}

static int refresh_documents(struct incident_record *rec, const struct runaway_finding *f,
			     const struct runaway_model *m)
{
	struct packet_base base = { rec->swap_first_bytes, rec->swap_first_realtime_ns };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct runaway_proc *p;
	struct json_writer w;
	int err;

	json_init(&w, &b, false);
	incident_packet_write(&w, f, m, rec->swap_known ? &base : NULL);
	err = refresh_text(&rec->i.packet_json, &b);
	p = f->subject.id.pid != 0 ? runaway_model_find(m, f->subject.id) : NULL;
	if (err < 0 || (!p && rec->i.lineage_json))
		return err;
	json_init(&w, &b, false);
	runaway_lineage_write(&w, m, p);
	return refresh_text(&rec->i.lineage_json, &b);
}

static int refresh_finding(struct incident_record *rec, const struct runaway_finding *f,
			   const struct runaway_model *m)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	incident_finding_write(&w, f, m);
	return refresh_text(&rec->i.finding_json, &b);
}

int incident_refresh(struct incident_record *rec, const struct runaway_finding *f,
		     const struct runaway_model *m)
{
	int err = refresh_finding(rec, f, m);

	return err < 0 ? err : refresh_documents(rec, f, m);
}

/* ---- another root ---- */

static void write_root(struct json_writer *w, const char *key, struct runaway_id id,
		       const char *comm)
{
	json_key(w, key);
	json_object_begin(w);
	json_kv_uint(w, "root_pid", id.pid);
	json_kv_u64_string(w, "start_ns", id.start_ns);
	json_kv_string(w, "comm", comm);
	json_object_end(w);
}

static char *subject_data(const struct incident *from, const struct incident *to)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "subject_key", to->subject_key);
	write_root(&w, "from", from->root, from->comm);
	write_root(&w, "to", to->root, to->comm);
	json_object_end(&w);
	return strbuf_take(&b);
}

static void free_names(struct incident *i)
{
	free(i->comm);
	free(i->origin_comm);
	free(i->cgroup);
}

static int record_subject(struct incident_store *s, struct incident_record *rec,
			  const struct incident *old)
{
	_cleanup_free_ char *data = subject_data(old, &rec->i);
	struct incident_change c = {
		.realtime_ns = rec->i.updated_realtime_ns,
		.type = "subject",
		.old = runaway_incident_status_name(rec->i.status),
		.new = runaway_incident_status_name(rec->i.status),
		.reason = "the root of the group ended or left it: the group goes on under "
			  "another",
		.data = data,
	};

	return data ? incident_change_record(s, rec, &c) : -ENOMEM;
}

/* What ended the root is the question that the gate's post-check answers. */
static bool may_follow(const struct incident *i)
{
	return i->status != INCIDENT_ACTING &&
	       !(i->status == INCIDENT_POST_CHECK && i->remediation == REMEDIATION_PENDING);
}

/* The finding is about another root now: so is the incident. All of it or nothing. */
static int follow(struct incident_store *s, struct incident_record *rec,
		  const struct runaway_finding *f, const struct runaway_model *m)
{
	struct incident *i = &rec->i, old = *i;
	int err;

	i->comm = i->origin_comm = i->cgroup = NULL;
	err = incident_fill_names(i, f, m);
	if (err == 0) {
		i->root = f->subject.id;
		memcpy(i->subject_key, f->subject.key, sizeof(i->subject_key));
		i->updated_realtime_ns = incident_now(m);
		/* Of now, whatever comes of the rest. */
		err = incident_refresh(rec, f, m);
	}
	if (err == 0)
		err = record_subject(s, rec, &old);
	if (err == 0) {
		free_names(&old);
		return 0;
	}
	free_names(i);
	i->comm = old.comm;
	i->origin_comm = old.origin_comm;
	i->cgroup = old.cgroup;
	i->root = old.root;
	memcpy(i->subject_key, old.subject_key, sizeof(i->subject_key));
	i->updated_realtime_ns = old.updated_realtime_ns;
	return err;
}

void runaway_incident_observe(struct incident_store *s, const struct runaway_finding *f,
			      const struct runaway_model *m)
{
	uint64_t now_ns = runaway_model_now(m);
	struct incident_record *rec;
	struct incident_point point;
	struct incident *i;

	HASH_FIND_STR(s->incidents, f->incident_id, i);
	if (!i || i->status >= INCIDENT_RESOLVED)
		return;
	rec = incident_record_of(i);
	rec->observed_realtime_ns = incident_now(m);
	incident_note_swap(rec, m);
	/* Out of memory costs a point or a refresh, and another root a tick; never the incident. */
	if (strcmp(i->subject_key, f->subject.key) != 0 && may_follow(i))
		(void)follow(s, rec, f, m);
	incident_measure(f, m, &point);
	(void)incident_timeline_add(i, &point);
	if (rec->refreshed_boot_ns != 0 && now_ns - rec->refreshed_boot_ns < REFRESH_NS)
		return;
	rec->refreshed_boot_ns = now_ns;
	(void)incident_refresh(rec, f, m);
	incident_store_readback_stale(s, rec);
}

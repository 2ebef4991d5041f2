/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people and the gate do about an incident: legal steps, and the documents they leave. */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

static const char *const array_names[INCIDENT_ARRAYS] = {
	[INCIDENT_PLANS] = "plans",
	[INCIDENT_APPROVALS] = "approvals",
	[INCIDENT_ACTIONS] = "actions",
	[INCIDENT_POST_CHECKS] = "post_checks",
};

const char *runaway_incident_array_name(enum incident_array a)
{
	return (unsigned int)a < INCIDENT_ARRAYS ? array_names[a] : "unknown";
}

#define TO(state) (1u << INCIDENT_##state)

/* docs/incidents.md, "States", has the same table with its reasons. */
static const unsigned int legal[INCIDENT_STATUS_MAX] = {
	[INCIDENT_OPEN] = TO(TRIAGED) | TO(RESOLVED),
	[INCIDENT_TRIAGED] = TO(DRY_RUN_READY) | TO(RESOLVED),
	/* A new plan takes the place of the one before it, and of its approval. */
	[INCIDENT_DRY_RUN_READY] = TO(DRY_RUN_READY) | TO(APPROVED) | TO(RESOLVED),
	[INCIDENT_APPROVED] = TO(DRY_RUN_READY) | TO(APPROVED) | TO(ACTING) | TO(RESOLVED),
	/* Back when the gate refused: then nothing was signalled. Its INTENT uses a plan up. */
	[INCIDENT_ACTING] = TO(TRIAGED) | TO(APPROVED) | TO(POST_CHECK) | TO(RESOLVED),
	/* A survivor needs a person, who may look again or plan anew. */
	[INCIDENT_POST_CHECK] = TO(POST_CHECK) | TO(DRY_RUN_READY) | TO(RESOLVED),
	[INCIDENT_RESOLVED] = TO(CLOSED),
	[INCIDENT_CLOSED] = 0,
};

bool runaway_incident_may(enum incident_status from, enum incident_status to)
{
	return (unsigned int)from < INCIDENT_STATUS_MAX && (unsigned int)to < INCIDENT_STATUS_MAX &&
	       (legal[from] & 1u << to);
}

/* ---- documents ---- */

void incident_documents_free(struct incident_documents *d)
{
	for (size_t n = 0; n < d->count; n++)
		free(d->item[n]);
	free(d->item);
	*d = (struct incident_documents){ 0 };
}

static int documents_add(struct incident_documents *d, const char *json)
{
	char **grown = realloc(d->item, (d->count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	d->item = grown;
	d->item[d->count] = strdup(json);
	if (!d->item[d->count])
		return -ENOMEM;
	d->count++;
	return 0;
}

/* The oldest ones leave memory: earlier lines of incidents.jsonl hold them for good. */
static void documents_bound(struct incident_documents *d)
{
	while (d->count > INCIDENT_DOCUMENTS_MAX) {
		free(d->item[0]);
		memmove(&d->item[0], &d->item[1], --d->count * sizeof(*d->item));
		d->cut++;
	}
}

void incident_documents_write(struct json_writer *w, const struct incident *i)
{
	for (enum incident_array a = 0; a < INCIDENT_ARRAYS; a++) {
		const struct incident_documents *d = &i->doc[a];

		json_key(w, array_names[a]);
		json_array_begin(w);
		for (size_t n = 0; n < d->count; n++)
			json_raw(w, d->item[n], strlen(d->item[n]));
		json_array_end(w);
	}
}

int incident_documents_parse(const cJSON *json, struct incident *i)
{
	for (enum incident_array a = 0; a < INCIDENT_ARRAYS; a++) {
		const cJSON *item, *array = runaway_json_get(json, array_names[a]);

		cJSON_ArrayForEach (item, array) {
			_cleanup_free_ char *text = NULL;
			int err = incident_json_text(item, &text);

			if (err == 0 && text)
				err = documents_add(&i->doc[a], text);
			if (err < 0)
				return err;
		}
		documents_bound(&i->doc[a]);
	}
	return 0;
}

/* ---- steps ---- */

int incident_apply(struct incident *i, const struct incident_step *step,
		   struct incident_applied *ret)
{
	struct incident_documents *d = &i->doc[step->array];
	struct incident_applied a = {
		.status = i->status,
		.remediation = i->remediation,
		.updated_realtime_ns = i->updated_realtime_ns,
		.acted_realtime_ns = i->acted_realtime_ns,
	};

	if (step->document && documents_add(d, step->document) < 0)
		return -ENOMEM;
	if (step->document && step->replace && d->count > 1) {
		a.replaced = d->item[d->count - 2];
		d->item[d->count - 2] = d->item[d->count - 1];
		d->count--;
	}
	if (i->status == INCIDENT_ACTING && step->to == INCIDENT_POST_CHECK)
		i->acted_realtime_ns = step->realtime_ns;
	i->status = step->to;
	i->updated_realtime_ns = step->realtime_ns;
	if (step->remediation != REMEDIATION_MAX)
		i->remediation = step->remediation;
	*ret = a;
	return 0;
}

void incident_apply_undo(struct incident *i, const struct incident_step *step,
			 struct incident_applied *a)
{
	struct incident_documents *d = &i->doc[step->array];

	if (step->document) {
		free(d->item[d->count - 1]);
		d->item[d->count - 1] = a->replaced;
		d->count -= !a->replaced;
	}
	i->status = a->status;
	i->remediation = a->remediation;
	i->updated_realtime_ns = a->updated_realtime_ns;
	i->acted_realtime_ns = a->acted_realtime_ns;
}

void incident_apply_keep(struct incident *i, const struct incident_step *step,
			 struct incident_applied *a)
{
	free(a->replaced);
	documents_bound(&i->doc[step->array]);
}

int runaway_incident_step(struct incident_store *s, const char *incident_id,
			  const struct incident_step *step)
{
	struct incident_applied applied;
	struct incident_change c = {
		.realtime_ns = step->realtime_ns,
		.type = "status",
		.new = runaway_incident_status_name(step->to),
		.actor = step->actor,
		.reason = step->reason,
		.data = step->data,
	};
	struct incident *i;
	int err;

	HASH_FIND_STR(s->incidents, incident_id, i);
	if (!i)
		return -ENOENT;
	if (step->to == INCIDENT_RESOLVED || !runaway_incident_may(i->status, step->to))
		return -EPROTO;
	c.old = runaway_incident_status_name(i->status);
	err = incident_apply(i, step, &applied);
	if (err < 0)
		return err;
	err = incident_change_record(s, incident_record_of(i), &c);
	if (err < 0) {
		incident_apply_undo(i, step, &applied);
		return err;
	}
	incident_apply_keep(i, step, &applied);
	if (i->acted_realtime_ns != applied.acted_realtime_ns)
		incident_store_count_attempt(s, i);
	return 0;
}

int runaway_incident_resolve(struct incident_store *s, const char *incident_id, const char *path,
			     const struct incident_step *how)
{
	struct incident_step step = *how;
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	if (!i)
		return -ENOENT;
	step.to = INCIDENT_RESOLVED;
	return incident_resolve(s, incident_record_of(i), path, NULL, &step);
}

int runaway_incident_note(struct incident_store *s, const char *incident_id, const char *type,
			  const struct incident_step *what)
{
	struct incident_change c = {
		.realtime_ns = what->realtime_ns,
		.type = type,
		.actor = what->actor,
		.reason = what->reason,
		.data = what->data,
	};
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	if (!i)
		return -ENOENT;
	c.old = c.new = runaway_incident_status_name(i->status);
	return incident_change_event(s, incident_record_of(i), &c);
}

size_t runaway_incident_notes(const struct incident_store *s, const char *incident_id)
{
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	return i ? incident_record_of(i)->notes : 0;
}

/* ---- figures ---- */

bool runaway_store_durable(const struct incident_store *s)
{
	return !s->degraded && s->pending_lines == 0;
}

void runaway_store_remediations(const struct incident_store *s, uint64_t since_ns,
				size_t *ret_judged, size_t *ret_succeeded)
{
	size_t judged = 0, succeeded = 0;

	for (const struct incident *i = s->incidents; i; i = i->hh.next) {
		if (i->drill || i->acted_realtime_ns < since_ns)
			continue;
		judged += i->remediation == REMEDIATION_SUCCEEDED ||
			  i->remediation == REMEDIATION_FAILED;
		succeeded += i->remediation == REMEDIATION_SUCCEEDED;
	}
	*ret_judged = judged;
	*ret_succeeded = succeeded;
}

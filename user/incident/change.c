/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One change of an incident: a line with its new state, then the event that
 * says what happened. Nothing is recorded in part: the lines are made first,
 * and queueing them cannot fail.
 */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

static struct pending_line *make_pending(enum log_id log, const struct strbuf *b)
{
	struct pending_line *p;

	if (b->error)
		return NULL;
	p = malloc(sizeof(*p) + b->len + 2);
	if (!p)
		return NULL;
	p->next = NULL;
	p->log = log;
	p->len = b->len + 1;
	memcpy(p->text, b->data, b->len);
	p->text[b->len] = '\n';
	p->text[b->len + 1] = '\0';
	return p;
}

static void queue(struct incident_store *s, struct pending_line *p)
{
	if (s->on_line) {
		p->text[p->len - 1] = '\0';
		s->on_line(s->on_line_ctx, incident_log_names[p->log], p->text);
		p->text[p->len - 1] = '\n';
	}
	if (s->memory_only) {
		free(p);
		return;
	}
	*s->pending_end = p;
	s->pending_end = &p->next;
	s->pending_lines++;
}

static void recorded(struct incident_store *s, struct incident_record *rec)
{
	rec->recorded_seq = rec->event_seq;
	rec->recorded_status = rec->i.status;
	incident_store_readback_stale(s, rec);
	runaway_store_flush(s);
}

static int record_lines(struct incident_store *s, struct incident_record *rec,
			const struct incident_change *c, bool with_state)
{
	_cleanup_strbuf_ struct strbuf state = STRBUF_INIT, event = STRBUF_INIT;
	_cleanup_free_ struct pending_line *ps = NULL, *pe = NULL;

	incident_event_line(&event, s->next_seq, rec->i.incident_id, s->chain_head, c);
	pe = make_pending(LOG_EVENTS, &event);
	if (with_state) {
		incident_state_line(&state, rec);
		ps = make_pending(LOG_INCIDENTS, &state);
	}
	if (!pe || (with_state && !ps))
		return -ENOMEM;
	if (incident_record_add_event(rec, event.data, event.len) < 0)
		return -ENOMEM;
	s->next_seq++;
	runaway_sha256_hex(event.data, event.len, s->chain_head);
	if (ps)
		queue(s, TAKE_PTR(ps));
	queue(s, TAKE_PTR(pe));
	return 0;
}

int incident_change_record(struct incident_store *s, struct incident_record *rec,
			   const struct incident_change *c)
{
	uint64_t old_seq = rec->event_seq;
	int err;

	rec->event_seq = s->next_seq;
	err = record_lines(s, rec, c, true);
	if (err < 0) {
		rec->event_seq = old_seq;
		return err;
	}
	recorded(s, rec);
	return 0;
}

int incident_change_event(struct incident_store *s, struct incident_record *rec,
			  const struct incident_change *c)
{
	int err = record_lines(s, rec, c, false);

	if (err < 0)
		return err;
	rec->notes++;
	recorded(s, rec);
	return 0;
}

static char *resolution_data(const struct incident *i, const char *finding_end)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "lane_id", i->lane_id);
	json_kv_string(&w, "resolution_path", i->resolution_path);
	json_kv_string(&w, "finding_end", finding_end);
	json_object_end(&w);
	return strbuf_take(&b);
}

static void swap_texts(char **a, char **b)
{
	char *text = *a;

	*a = *b;
	*b = text;
}

int incident_resolve(struct incident_store *s, struct incident_record *rec, const char *path,
		     const char *finding_end, const struct incident_step *how)
{
	struct incident *i = &rec->i;
	_cleanup_free_ char *data = NULL, *packet = NULL;
	struct incident_change c = {
		.realtime_ns = how->realtime_ns,
		.type = "status",
		.old = runaway_incident_status_name(i->status),
		.new = runaway_incident_status_name(INCIDENT_RESOLVED),
		.actor = how->actor,
		.reason = how->reason,
	};
	struct incident_applied applied;
	int err;

	/* Before any side effect: resolving twice once notified and learned twice. */
	if (i->status >= INCIDENT_RESOLVED)
		return 0;
	err = incident_apply(i, how, &applied);
	if (err < 0)
		return err;
	i->status = INCIDENT_RESOLVED;
	i->resolved_realtime_ns = how->realtime_ns;
	snprintf(i->resolution_path, sizeof(i->resolution_path), "%s", path);
	/* A packet that cannot be changed stays as it was last made: the status tells the same. */
	if (i->packet_json && incident_packet_resolved(i->packet_json, &packet) == 0)
		swap_texts(&i->packet_json, &packet);
	c.data = data = resolution_data(i, finding_end);
	err = data ? incident_change_record(s, rec, &c) : -ENOMEM;
	if (err < 0) {
		incident_apply_undo(i, how, &applied);
		i->resolved_realtime_ns = 0;
		i->resolution_path[0] = '\0';
		if (packet)
			swap_texts(&i->packet_json, &packet);
		return err;
	}
	incident_apply_keep(i, how, &applied);
	incident_store_count_resolved(s, i);
	return 0;
}

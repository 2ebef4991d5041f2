/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What opening makes good. A state is written before its event, so a crash can
 * leave a state without one; and nothing of an earlier boot can still run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

/* Changes that a crash can have kept from readback.json; older files are only looked for. */
#define RECENT 32

static uint64_t stamp(const struct incident_store *s, const struct incident *i)
{
	return MAX(s->opening_realtime_ns, i->updated_realtime_ns);
}

static int by_event_seq(const void *a, const void *b)
{
	const struct incident_record *x = *(struct incident_record *const *)a;
	const struct incident_record *y = *(struct incident_record *const *)b;

	return (x->event_seq > y->event_seq) - (x->event_seq < y->event_seq);
}

static int recover_event(struct incident_store *s, struct incident_record *rec)
{
	char data[64];
	struct incident_change c = {
		.realtime_ns = stamp(s, &rec->i),
		.type = "recovered",
		.old = rec->recorded_seq > 0 ? runaway_incident_status_name(rec->recorded_status)
					     : NULL,
		.new = runaway_incident_status_name(rec->i.status),
		.reason = "the state was written, its event was not: the daemon ended between the "
			  "two",
		.data = data,
	};

	snprintf(data, sizeof(data), "{\"event_seq\":%llu}", (unsigned long long)rec->event_seq);
	return incident_change_event(s, rec, &c);
}

static int recover_events(struct incident_store *s)
{
	_cleanup_free_ struct incident_record **lacking = NULL;
	size_t count = 0;
	int err = 0;

	lacking = calloc((size_t)HASH_COUNT(s->incidents) + 1, sizeof(struct incident_record *));
	if (!lacking)
		return -ENOMEM;
	for (struct incident *i = s->incidents; i; i = i->hh.next) {
		struct incident_record *rec = incident_record_of(i);

		if (rec->event_seq > rec->recorded_seq)
			lacking[count++] = rec;
	}
	qsort(lacking, count, sizeof(struct incident_record *), by_event_seq);
	for (size_t n = 0; err == 0 && n < count; n++)
		err = recover_event(s, lacking[n]);
	return err;
}

static int end_earlier_boots(struct incident_store *s)
{
	struct incident_step how = {
		.to = INCIDENT_RESOLVED,
		.reason = "host rebooted",
		.remediation = REMEDIATION_MAX,
	};
	int err = 0;

	for (struct incident *i = s->incidents; i && err == 0; i = i->hh.next) {
		if (i->status >= INCIDENT_RESOLVED || s->boot_id[0] == '\0' ||
		    strcmp(i->boot_id, s->boot_id) == 0)
			continue;
		how.realtime_ns = stamp(s, i);
		err = incident_resolve(s, incident_record_of(i), "self_cleared", "host_rebooted",
				       &how);
	}
	return err;
}

static void check_readbacks(struct incident_store *s)
{
	size_t seen = 0;

	for (struct incident *i = incident_store_newest(s); i; i = i->hh.prev, seen++) {
		struct incident_record *rec = incident_record_of(i);
		bool current = false;

		if (rec->texts_dropped)
			continue;
		/* An open one gets its timeline back, whatever its age. */
		if (i->status < INCIDENT_RESOLVED || seen < RECENT ||
		    s->next_seq - rec->event_seq <= RECENT)
			incident_readback_restore(s, rec, &current);
		else
			current = incident_readback_exists(s, i);
		if (!current)
			incident_store_readback_stale(s, rec);
	}
}

int incident_reconcile(struct incident_store *s)
{
	int err;

	check_readbacks(s);
	err = recover_events(s);
	if (err == 0)
		err = end_earlier_boots(s);
	incident_store_trim(s);
	runaway_store_flush(s);
	return err;
}

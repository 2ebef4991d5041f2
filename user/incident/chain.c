/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: each carries the digest of the line before it. */
#include <string.h>

#include "incident/internal.h"

void incident_event_line(struct strbuf *b, uint64_t seq, const char *incident_id, const char *prev,
			 const struct incident_change *c)
{
	const char *data = c->data ? c->data : "{}";
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_uint(&w, "seq", seq);
	json_kv_time(&w, "at", c->realtime_ns);
	json_kv_string(&w, "incident_id", incident_id);
	json_kv_string(&w, "type", c->type);
	json_kv_string(&w, "old", c->old);
	json_kv_string(&w, "new", c->new);
	json_kv_string(&w, "actor", c->actor ? c->actor : "runawayd");
	json_kv_string(&w, "reason", c->reason);
	json_key(&w, "data");
	json_raw(&w, data, strlen(data));
	json_kv_string(&w, "prev", prev);
	json_object_end(&w);
	runaway_line_seal(b);
}

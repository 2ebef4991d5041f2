/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines that carry their own digest, and events that carry the digest of the
 * line before them. docs/incidents.md shows how to check both with a shell.
 */
#include <string.h>

#include "base/digest.h"
#include "incident/internal.h"

/* ,"hash":"<64 hex>"} */
#define SEAL_HEAD ",\"hash\":\""
#define SEAL_LEN  (sizeof(SEAL_HEAD) - 1 + 64 + 2)

void incident_line_seal(struct strbuf *b)
{
	char hex[RUNAWAY_SHA256_HEX];

	if (b->error || b->len == 0)
		return;
	runaway_sha256_hex(b->data, b->len, hex);
	strbuf_truncate(b, b->len - 1);
	strbuf_adds(b, SEAL_HEAD);
	strbuf_adds(b, hex);
	strbuf_adds(b, "\"}");
}

bool incident_line_sealed(const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char hex[RUNAWAY_SHA256_HEX];
	const char *seal;

	if (len < SEAL_LEN + 1)
		return false;
	seal = text + len - SEAL_LEN;
	if (memcmp(seal, SEAL_HEAD, sizeof(SEAL_HEAD) - 1) != 0 ||
	    memcmp(text + len - 2, "\"}", 2) != 0)
		return false;
	strbuf_add(&b, text, len - SEAL_LEN);
	strbuf_addc(&b, '}');
	if (b.error)
		return false;
	runaway_sha256_hex(b.data, b.len, hex);
	return memcmp(hex, seal + sizeof(SEAL_HEAD) - 1, 64) == 0;
}

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
	json_kv_string(&w, "actor", "runawayd");
	json_kv_string(&w, "reason", c->reason);
	json_key(&w, "data");
	json_raw(&w, data, strlen(data));
	json_kv_string(&w, "prev", prev);
	json_object_end(&w);
	incident_line_seal(b);
}

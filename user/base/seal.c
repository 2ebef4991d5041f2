/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seal.h"

#include <string.h>

#include "base/digest.h"

/* ,"hash":"<64 hex>"} */
#define SEAL_HEAD ",\"hash\":\""
#define SEAL_LEN  (sizeof(SEAL_HEAD) - 1 + 64 + 2)

void runaway_line_seal(struct strbuf *b)
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

bool runaway_line_sealed(const char *text, size_t len)
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

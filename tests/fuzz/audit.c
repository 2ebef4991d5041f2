/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate's audit, read at start. The first byte says whether lines are sealed into a chain. */
#include "fuzz/fuzz.h"

#include "base/digest.h"
#include "base/seal.h"
#include "gate/audit.h"

/* Whoever may write to the file can make digests as well. */
static void chain(const char *text, size_t len, struct strbuf *out)
{
	char head[RUNAWAY_SHA256_HEX] = RUNAWAY_CHAIN_START;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;
		_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

		strbuf_add(&line, text + at, n);
		if (n > 1 && text[at + n - 1] == '}') {
			strbuf_truncate(&line, n - 1);
			strbuf_addf(&line, ",\"prev\":\"%s\"}", head);
			runaway_sha256_hex(line.data, line.len, head);
			runaway_line_seal(&line);
		}
		strbuf_add(out, line.data ? line.data : "", line.len);
		strbuf_addc(out, '\n');
		at += n + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_strbuf_ struct strbuf file = STRBUF_INIT, tail = STRBUF_INIT;
	struct runaway_history history = { 0 };
	static char path[32];
	static int folder = -1;
	struct runaway_audit a;
	struct json_writer w;

	if (folder < 0) {
		MUST(runaway_digest_init() == 0);
		folder = fuzz_folder(path);
		runaway_log_set_level(RUNAWAY_LOG_ERROR);
	}
	if (size > 0 && data[0] == 'c')
		chain((const char *)data + 1, size - 1, &file);
	else
		strbuf_add(&file, data, size);
	fuzz_write(folder, "audit.jsonl", file.data ? file.data : "", file.len);
	if (runaway_audit_open(folder, "0d1f5c3e-9c8d-4a2b-8f6e-1a2b3c4d5e6f", &a, &history) == 0) {
		json_init(&w, &tail, false);
		(void)runaway_audit_tail(&a, 0, 1000, &w);
		runaway_audit_close(&a);
	}
	runaway_history_free(&history);
	unlinkat(folder, "audit.jsonl", 0);
	return 0;
}

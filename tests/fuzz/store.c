/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The incident store of somebody who can make digests: incidents.jsonl, 0xff, events.jsonl. */
#include "fuzz/fuzz.h"

#include "base/digest.h"
#include "base/seal.h"
#include "incident/fast_disk.h"

static void seal(const char *text, size_t len, struct strbuf *out)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;
		_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

		strbuf_add(&line, text + at, n);
		if (n > 1 && text[at] == '{' && text[at + n - 1] == '}')
			runaway_line_seal(&line);
		strbuf_add(out, line.data ? line.data : "", line.len);
		if (end)
			strbuf_addc(out, '\n');
		at += n + 1;
	}
}

static void look_at(void *ctx, const struct incident *i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct incident_store *s = ctx;
	struct json_writer w;

	MUST(runaway_store_find(s, i->incident_id) == i);
	json_init(&w, &b, false);
	(void)runaway_incident_write_readback(s, i->incident_id, &w);
	MUST(b.error == 0);
}

size_t fuzz_rounds = 100;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static int folder = -1;
	struct incident_store_config c = {
		.state_dir = path, .host_label = "ci-7", .env = "test", .boot_id = BOOT_A
	};
	struct incident_store *s;

	if (folder < 0) {
		MUST(runaway_digest_init() == 0);
		folder = fuzz_folder(path);
	}
	for (int n = 0; n < LOG_COUNT; n++) {
		_cleanup_strbuf_ struct strbuf file = STRBUF_INIT;
		_cleanup_free_ char *part = NULL;
		size_t len;

		part = fuzz_part(&data, &size, &len);
		seal(part, len, &file);
		fuzz_write(folder, incident_log_names[n], file.data ? file.data : "", file.len);
	}
	if (incident_store_open_on(&c, &fast, &s) == 0) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct json_writer w;
		bool ok;

		runaway_store_each(s, look_at, s);
		runaway_store_close(s);
		json_init(&w, &b, false);
		(void)runaway_store_verify(path, &w, &ok);
	}
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	MUST(mkdir(path, 0700) == 0);
	close(folder);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

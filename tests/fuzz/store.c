/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The incident store of somebody who can make digests: incidents.jsonl, 0xff, events.jsonl, 0xff,
 * readback.json of the incident that is named first.
 */
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

/* Timelines come back from it at opening. */
static void add_readback(const char *states, size_t states_len, int folder, const void *text,
			 size_t len)
{
	static const char key[] = "\"incident_id\":\"";
	const char *at = memmem(states, states_len, key, sizeof(key) - 1);
	char id[sizeof("inc_dddddddd_dddd_xxxxxxxx")] = "", name[96];

	if (at) {
		at += sizeof(key) - 1;
		memcpy(id, at, MIN(sizeof(id) - 1, (size_t)(states + states_len - at)));
	}
	if (!incident_id_valid(id))
		return;
	MUST(mkdirat(folder, "incidents", 0700) == 0);
	snprintf(name, sizeof(name), "incidents/%s", id);
	MUST(mkdirat(folder, name, 0700) == 0);
	strcat(name, "/readback.json");
	fuzz_write(folder, name, text, len);
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
	_cleanup_free_ char *states = NULL;
	struct incident_store *s;
	size_t states_len = 0;

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
		if (n == LOG_INCIDENTS) {
			states = TAKE_PTR(part);
			states_len = len;
		}
	}
	if (size > 0)
		add_readback(states, states_len, folder, data, size);
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

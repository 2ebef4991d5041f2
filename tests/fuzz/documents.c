/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate is sent: frames, and in them a plan, an approval, a release, a hello. */
#include "fuzz/fuzz.h"

#include "base/digest.h"
#include "gate/state.h"
#include "gate/wire.h"

/* There is one text for each document: what was read is written as it was. */
#define SAME_AGAIN(kind, text, text_len)                                                           \
	do {                                                                                       \
		_cleanup_strbuf_ struct strbuf b_ = STRBUF_INIT;                                   \
		static struct runaway_##kind d_;                                                   \
                                                                                                   \
		if (runaway_##kind##_read((text), (text_len), &d_) == 0) {                         \
			MUST(runaway_##kind##_write(&d_, &b_) == 0);                               \
			MUST(b_.len == (text_len) && memcmp(b_.data, (text), b_.len) == 0);        \
		}                                                                                  \
	} while (0)

static void read_message(const char *text, size_t len)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct runaway_gate_config config;
	const char *why = NULL;

	if (runaway_gate_message_parse(text, len, &json) < 0)
		return;
	if (runaway_gate_config_read(json, &config, &why) == 0)
		runaway_gate_config_free(&config);
	else
		MUST(why);
}

static void read_frames(const char *data, size_t size)
{
	size_t len, used;
	const char *text;

	for (size_t at = 0; at < size; at += used) {
		if (runaway_gate_frame_next(data + at, size - at, &text, &len, &used) <= 0)
			return;
		MUST(used > 0 && used <= size - at && text >= data && text + len <= data + size);
		read_message(text, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_copy(data, size);

	MUST(runaway_digest_init() == 0);
	SAME_AGAIN(plan, text, size);
	SAME_AGAIN(approval, text, size);
	SAME_AGAIN(release, text, size);
	read_message(text, size);
	read_frames(text, size);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lineage.journal, of whoever could write into the runtime folder, recalled to the model. */
#include "fuzz/fuzz.h"

#include "model/model.h"
#include "sensor/journal.h"

static void recall(void *ctx, const struct rw_hdr *rec, size_t len)
{
	(void)runaway_model_apply(ctx, rec, len);
}

size_t fuzz_rounds = 250;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct runaway_model_config config = {
		.limits = { .processes = 256, .cgroups = 64, .series = 16 },
	};
	struct rw_recalled recalled = { .hdr = { .type = RW_RECALLED, .len = sizeof(recalled) } };
	struct rw_commit commit = { .hdr = { .type = RW_COMMIT, .len = sizeof(commit) } };
	struct runaway_model *m = NULL;
	struct runaway_journal *j;
	static char path[32];
	static int folder = -1;

	if (folder < 0)
		folder = fuzz_folder(path);
	fuzz_write(folder, RUNAWAY_JOURNAL_NAME, data, size);
	if (runaway_journal_open(folder, "11111111-2222-3333-4444-555555555555", &j) == 0) {
		MUST(runaway_model_new(&config, &m) == 0);
		(void)runaway_journal_recall(j, recall, m);
		(void)runaway_model_apply(m, &recalled.hdr, sizeof(recalled));
		(void)runaway_journal_commit(j, &commit);
		runaway_model_free(m);
		runaway_journal_close(j);
	}
	unlinkat(folder, RUNAWAY_JOURNAL_NAME, 0);
	return 0;
}

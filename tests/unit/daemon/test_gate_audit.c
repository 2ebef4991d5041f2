/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate's audit says of a plan after something died: told, never guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/daemon.h"

#define PLAN  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define INTENT(seq, plan)                                                                          \
	"{\"seq\":\"" seq "\",\"type\":\"intent\",\"plan_sha256\":\"" plan "\",\"pid\":7}\n"
#define RESULT(intent, outcome)                                                                    \
	"{\"seq\":\"99\",\"type\":\"result\",\"intent\":\"" intent "\",\"outcome\":\"" outcome     \
	"\"}\n"

struct fixture {
	char dir[64];
	struct daemon d;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/gate-audit.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->d.gate.folder_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->d.gate.folder_fd >= 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->d.gate.folder_fd, "audit.jsonl", 0);
	close(f->d.gate.folder_fd);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct gate_outcome outcome_of(struct fixture *f, const char *text, bool over)
{
	int fd = openat(f->d.gate.folder_fd, "audit.jsonl", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct gate_outcome said;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	said = gate_audit_outcome(&f->d, PLAN, over);
	assert_true(said.why && *said.why);
	return said;
}

static const char *outcome(struct fixture *f, const char *text, bool over)
{
	return outcome_of(f, text, over).outcome;
}

static void test_what_is_written_counts(void **state)
{
	static const struct {
		const char *audit, *outcome;
	} row[] = {
		{ "", "refused" },
		{ "{\"type\":\"start\",\"seq\":\"1\"}\n", "refused" },
		{ INTENT("1", PLAN), "unknown" },
		{ INTENT("1", PLAN) RESULT("1", "signalled"), "signalled" },
		{ INTENT("1", PLAN) RESULT("1", "refused"), "refused" },
		{ INTENT("1", PLAN) RESULT("1", "gone"), "refused" },
		{ INTENT("1", PLAN) RESULT("1", "unknown"), "unknown" },
		/* Another plan's end is not this one's. */
		{ INTENT("1", OTHER) RESULT("1", "signalled"), "refused" },
		{ INTENT("1", PLAN) INTENT("2", OTHER) RESULT("2", "signalled"), "unknown" },
		/* Of two targets one is open: nobody may call it done. */
		{ INTENT("1", PLAN) RESULT("1", "signalled") INTENT("3", PLAN), "unknown" },
		{ INTENT("1", PLAN) RESULT("1", "gone") INTENT("3", PLAN) RESULT("3", "signalled"),
		  "signalled" },
		/* A torn line was never acted on; one that is no JSON neither. */
		{ "{\"seq\":\"1\",\"type\":\"intent\",\"plan_sha256\":\"" PLAN, "refused" },
		{ "\"intent\" \n" INTENT("1", PLAN) "\"intent\"", "unknown" },
	};
	struct fixture *f = *state;

	for (size_t n = 0; n < ARRAY_SIZE(row); n++) {
		const char *said = outcome(f, row[n].audit, true);

		if (strcmp(said, row[n].outcome) != 0)
			fail_msg("row %zu: %s, expected %s", n, said, row[n].outcome);
	}
}

static void test_without_an_end_nothing_is_claimed(void **state)
{
	struct fixture *f = *state;
	int fd;

	/* The gate that was asked may still be about to write. */
	assert_string_equal(outcome(f, "", false), "unknown");
	assert_string_equal(outcome(f, INTENT("1", PLAN) RESULT("1", "signalled"), false),
			    "signalled");
	unlinkat(f->d.gate.folder_fd, "audit.jsonl", 0);
	assert_string_equal(gate_audit_outcome(&f->d, PLAN, true).outcome, "unknown");
	fd = f->d.gate.folder_fd;
	f->d.gate.folder_fd = -1;
	assert_string_equal(gate_audit_outcome(&f->d, PLAN, true).outcome, "unknown");
	f->d.gate.folder_fd = fd;
}

/* Whatever came of it: the gate takes neither plan nor approval of an INTENT again. */
static void test_an_intent_uses_it_up(void **state)
{
	struct fixture *f = *state;

	assert_false(outcome_of(f, "", true).used);
	assert_false(outcome_of(f, INTENT("1", OTHER) RESULT("1", "refused"), true).used);
	assert_true(outcome_of(f, INTENT("1", PLAN) RESULT("1", "refused"), true).used);
	assert_true(outcome_of(f, INTENT("1", PLAN) RESULT("1", "refused"), false).used);
	assert_true(outcome_of(f, INTENT("1", PLAN), true).used);
}

static void test_a_document_is_cut_out_as_it_was(void **state)
{
	_cleanup_free_ char *plan = NULL, *none = NULL, *tricky = NULL;

	(void)state;
	plan = plan_embedded("{\"plan_sha256\":\"x\",\"plan\":{\"a\":{\"plan\":1}}}", "plan");
	assert_string_equal(plan, "{\"a\":{\"plan\":1}}");
	none = plan_embedded("{\"plan_sha256\":\"x\"}", "plan");
	assert_null(none);
	/* What a name pretends is escaped, and so is no key. */
	tricky = plan_embedded(
		"{\"received_from\":\"x\\\",\\\"approval\\\":{\",\"approval\":{\"b\":2}}",
		"approval");
	assert_string_equal(tricky, "{\"b\":2}");
}

static void test_lanes_without_remediation_never_yield_a_plan(void **state)
{
	size_t allowed = 0, count = 0;

	(void)state;
	for (enum runaway_classification c = 0; c < RUNAWAY_CLASS_MAX; c++)
		for (enum runaway_policy p = 0; p < RUNAWAY_POLICY_MAX; p++)
			for (enum runaway_subject_kind k = 0; k < RUNAWAY_SUBJECT_MAX; k++) {
				const struct lane l = { .classification = c,
							.action_policy = p,
							.subject = k };
				bool may = c == RUNAWAY_CLASS_RUNAWAY_PROCESS &&
					   p == RUNAWAY_POLICY_GATED_SIGTERM &&
					   (k == RUNAWAY_SUBJECT_ORPHAN_TREE ||
					    k == RUNAWAY_SUBJECT_PROCESS);

				assert_int_equal(plan_lane_allowed(&l), may);
				allowed += may;
				count++;
			}
	assert_int_equal(count, 16);
	assert_int_equal(allowed, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_counts),
		TEST(test_without_an_end_nothing_is_claimed),
		TEST(test_an_intent_uses_it_up),
		cmocka_unit_test(test_a_document_is_cut_out_as_it_was),
		cmocka_unit_test(test_lanes_without_remediation_never_yield_a_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

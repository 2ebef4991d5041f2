/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

/* Parses words separated by '|'; messages go to *ret_err. */
static int parse(const char *words, struct cli *c, char *copy, char **ret_err)
{
	char *argv[24] = { (char *)"runawayctl" }, *save = NULL;
	size_t len;
	int argc = 1, r;

	strcpy(copy, words);
	for (char *w = strtok_r(copy, "|", &save); w; w = strtok_r(NULL, "|", &save))
		argv[argc++] = w;
	*c = (struct cli){ .socket = "default" };
	c->out = c->err = open_memstream(ret_err, &len);
	assert_non_null(c->err);
	r = runaway_cli_parse(c, argc, argv);
	fclose(c->err);
	return r;
}

static void test_accepted(void **state)
{
	static const struct {
		const char *words, *noun, *verb, *arg, *socket;
		bool json, no_color;
	} row[] = {
		{ "status", "status", "", NULL, "default", false, false },
		{ "-j|status", "status", "", NULL, "default", true, false },
		{ "status|-o|json", "status", "", NULL, "default", true, false },
		{ "-o|json|-o|table|status", "status", "", NULL, "default", false, false },
		{ "--output=json|status", "status", "", NULL, "default", true, false },
		{ "--socket|/s|status", "status", "", NULL, "/s", false, false },
		{ "status|--socket=/s", "status", "", NULL, "/s", false, false },
		{ "--no-color|proc|show|7", "proc", "show", "7", "default", false, true },
		{ "proc|-j|show|--no-color|7", "proc", "show", "7", "default", true, true },
		{ "config|check|-", "config", "check", "-", "default", false, false },
		{ "config|check|--|-j", "config", "check", "-j", "default", false, false },
		{ "lane|show", "lane", "show", NULL, "default", false, false },
		{ "lane|show|--builtin|x", "lane", "show", "x", "default", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_free_ char *err = NULL;
		char copy[256];
		struct cli c;

		if (parse(row[i].words, &c, copy, &err) != CLI_OK)
			fail_msg("%s: %s", row[i].words, err);
		assert_string_equal(c.noun->name, row[i].noun);
		assert_string_equal(c.verb->name, row[i].verb);
		assert_int_equal(c.arg_count, row[i].arg ? 1 : 0);
		if (row[i].arg)
			assert_string_equal(c.arg[0], row[i].arg);
		assert_string_equal(c.socket, row[i].socket);
		assert_int_equal(c.json, row[i].json);
		assert_int_equal(c.no_color, row[i].no_color);
		assert_string_equal(err, "");
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *words, *why;
	} row[] = {
		{ "", "nothing to do" },
		{ "nope", "unknown noun \"nope\": status, doctor, proc" },
		{ "proc", "proc needs a verb: orphans, show, tree, top" },
		{ "proc|kill|7", "proc has no verb \"kill\": orphans, show, tree, top" },
		{ "proc|show", "needs PID" },
		{ "proc|orphans|7", "too many" },
		{ "status|7", "runawayctl: status: one argument too many: \"7\"" },
		{ "--nope", "unknown option --nope" },
		{ "-x|status", "unknown option -x" },
		{ "--socketx=/s|status", "unknown option" },
		{ "--socket", "needs PATH" },
		{ "--socket=|status", "1 to 4096 bytes" },
		{ "-o|xml|status", "table or json" },
		{ "--once|proc|top", "options of a verb stand behind it" },
		{ "proc|top|--limit", "needs N" },
		{ "proc|top|--limit|0", "1 to 1000" },
		{ "proc|top|--limit|1001", "1 to 1000" },
		{ "proc|top|--limit|-1", "1 to 1000" },
		{ "proc|top|--limit|1x", "1 to 1000" },
		{ "proc|top|--limit|99999999999999999999999", "1 to 1000" },
		{ "proc|top|--limit=", "1 to 1000" },
		{ "proc|top|--once=yes", "takes no value" },
		{ "proc|orphans|--limit|3",
		  "unknown option --limit: runawayctl help proc orphans says which there are" },
		{ "status|--once", "help status says" },
		{ "incident|apply|x|--plan|5f0c", "--plan: DIGEST has 64 bytes, this has 4" },
		{ "--|-j|status", "unknown noun \"-j\"" },
		{ "nope\033[31m", "nope\\x1b[31m" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_free_ char *err = NULL;
		char copy[256];
		struct cli c;

		if (parse(row[i].words, &c, copy, &err) != CLI_USAGE)
			fail_msg("%s was accepted", row[i].words);
		if (!strstr(err, row[i].why))
			fail_msg("%s: %s", row[i].words, err);
	}
}

static void test_option_values(void **state)
{
	_cleanup_free_ char *err = NULL;
	char copy[256];
	struct cli c;

	(void)state;
	assert_int_equal(parse("incident|list|--limit|3|--lane=a|--limit=4", &c, copy, &err), 0);
	assert_int_equal(runaway_cli_option(&c, "--limit").number, 4);
	assert_string_equal(runaway_cli_option(&c, "--lane").string, "a");
	assert_false(runaway_cli_option(&c, "--status").set);
	assert_false(runaway_cli_option(&c, "--nope").set);
}

static void test_help_needs_nothing_complete(void **state)
{
	static const char *const words[] = { "help",
					     "-h",
					     "proc|-h",
					     "proc|show|-h",
					     "help|proc",
					     "help|proc|show",
					     "--help|status",
					     "proc|top|--help",
					     "proc|help",
					     "proc|show|help",
					     "status|help",
					     "incident|list|--limit|3|help",
					     "-V" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_cleanup_free_ char *err = NULL, *text = NULL;
		char copy[256];
		struct cli c;
		size_t len;

		if (parse(words[i], &c, copy, &err) != CLI_OK)
			fail_msg("%s: %s", words[i], err);
		assert_true(c.help || c.version);
		c.out = open_memstream(&text, &len);
		assert_int_equal(runaway_cli_help(&c), CLI_OK);
		fclose(c.out);
		assert_non_null(strstr(text, "usage: runawayctl"));
	}
}

/* What the tables promise to the rest of the program. */
static void test_tables_are_sound(void **state)
{
	(void)state;
	for (const struct cli_noun *const *n = runaway_cli_nouns; *n; n++) {
		assert_ptr_equal(runaway_cli_find_noun((*n)->name), *n);
		for (const struct cli_verb *v = (*n)->verb; v->name; v++) {
			size_t options = 0;

			while (v->option && v->option[options].name)
				options++;
			assert_true(options <= CLI_OPTIONS_MAX);
			assert_true(v->args_max <= CLI_ARGS_MAX && v->args_min <= v->args_max);
			assert_true((v->args_max > 0) == (v->args != NULL));
			assert_true(v->method || v->run);
			assert_non_null(v->summary);
			assert_ptr_equal(runaway_cli_find_verb(*n, v->name), v);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_option_values),
		cmocka_unit_test(test_help_needs_nothing_complete),
		cmocka_unit_test(test_tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

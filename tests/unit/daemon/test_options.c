/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: what is accepted, what is refused, and what stands when nothing is said. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <getopt.h>

#include "base/macros.h"
#include "daemon/options.h"

#define ARGS_MAX 16

/* Words are separated by one space; "''" stands for an empty word. */
static int parse(const char *line, struct options *ret)
{
	static char text[512];
	char *argv[ARGS_MAX + 1] = { "runawayd" }, *rest = text, *word;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	while (*text && (word = strsep(&rest, " ")))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	optind = 0; /* getopt begins anew */
	return options_parse(argc, argv, ret);
}

/* What is said on stderr is for people; here only whether it was accepted counts. */
static int quiet(void **state)
{
	static int before;
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	before = dup(STDERR_FILENO);
	*state = &before;
	return before < 0 || dup2(null, STDERR_FILENO) < 0 ? -1 : 0;
}

static int loud(void **state)
{
	int *before = *state;

	dup2(*before, STDERR_FILENO);
	return close(*before);
}

static void test_defaults(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse("", &o), 0);
	assert_int_equal(o.mode, MODE_RUN);
	assert_null(o.config);
	assert_string_equal(o.state_dir, "/var/lib/runawayd");
	assert_string_equal(o.runtime_dir, "/run/runawayd");
	assert_null(o.pin_dir);
	assert_null(o.listen_address);
	assert_null(o.textfile);
	assert_null(o.record);
	assert_null(o.user);
	assert_string_equal(o.proc_root, "/proc");
	assert_string_equal(o.cgroup_root, "/sys/fs/cgroup");
	assert_false(o.log_json);
	assert_int_equal(o.log_level, RUNAWAY_LOG_INFO);
}

static void test_every_option(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse("--config c --state-dir s --runtime-dir r --pin-dir p "
			       "--web.listen-address [::1]:9 --host-label node-7 --textfile t",
			       &o),
			 0);
	assert_string_equal(o.config, "c");
	assert_string_equal(o.state_dir, "s");
	assert_string_equal(o.runtime_dir, "r");
	assert_string_equal(o.pin_dir, "p");
	assert_string_equal(o.listen_address, "[::1]:9");
	assert_string_equal(o.textfile, "t");
	assert_string_equal(o.host_label, "node-7");
	assert_int_equal(parse("--record=f --proc-root=/host/proc --cgroup-root=/cg --user=u "
			       "--log-format=json --log-level=debug",
			       &o),
			 0);
	assert_string_equal(o.record, "f");
	assert_string_equal(o.proc_root, "/host/proc");
	assert_string_equal(o.cgroup_root, "/cg");
	assert_string_equal(o.user, "u");
	assert_true(o.log_json);
	assert_int_equal(o.log_level, RUNAWAY_LOG_DEBUG);
	assert_int_equal(o.mode, MODE_RUN);
}

static const struct {
	const char *line;
	enum run_mode mode;
} modes[] = {
	{ "--check-config f", MODE_CHECK_CONFIG },
	{ "--builtin-lanes", MODE_BUILTIN_LANES },
	{ "--replay f", MODE_REPLAY },
	{ "--replay f --config c", MODE_REPLAY },
	{ "--config c --replay f", MODE_REPLAY },
	{ "--unload", MODE_UNLOAD },
	{ "--unload --pin-dir p", MODE_UNLOAD },
	{ "--version", MODE_VERSION },
	{ "-V", MODE_VERSION },
	{ "--help", MODE_HELP },
	{ "-h", MODE_HELP },
	{ "--log-format text", MODE_RUN },
	{ "--log-level error", MODE_RUN },
	{ "--log-level warning", MODE_RUN },
	{ "--state-dir -x", MODE_RUN },
	{ "--", MODE_RUN },
};

static void test_modes(void **state)
{
	struct options o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(parse(modes[i].line, &o), 0);
		assert_int_equal(o.mode, modes[i].mode);
	}
	assert_int_equal(parse("--replay f --config c", &o), 0);
	assert_string_equal(o.replay, "f");
	assert_string_equal(o.config, "c");
	assert_int_equal(parse("--check-config g", &o), 0);
	assert_string_equal(o.check, "g");
}

static const char *const refused[] = {
	"--nonsense",
	"-x",
	"file",
	"--unload extra",
	"--config",
	"--config ''",
	"--config=",
	"--state-dir ''",
	"--record ''",
	"--textfile ''",
	"--web.listen-address ''",
	"--replay",
	"--check-config",
	"--log-level loud",
	"--log-level ''",
	"--log-level INFO",
	"--log-format xml",
	"--log-format JSON",
	"--web.config.file",
	"--unload=yes",
	"--version=1",
	"-- file",
	"''",
	"--log", /* of two options */
};

static void test_refused(void **state)
{
	struct options o, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		o = before;
		assert_int_equal(parse(refused[i], &o), -EINVAL);
		assert_memory_equal(&o, &before, sizeof(o));
	}
}

static void test_the_last_one_counts(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(
		parse("--state-dir a --state-dir b --log-format json --log-format text", &o), 0);
	assert_string_equal(o.state_dir, "b");
	assert_false(o.log_json);
}

/* The help names every option, in lines that fit a terminal. */
static void test_help(void **state)
{
	static const char *const words[] = {
		"--config",    "--state-dir",	"--runtime-dir", "--pin-dir",
		"--textfile",  "--record",	"--replay",	 "--check-config",
		"--unload",    "--version",	"--log-format",	 "--log-level",
		"--proc-root", "--cgroup-root", "--user",	 "--web.listen-address",
	};
	char text[8192];
	int p[2], out;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	dup2(p[1], STDOUT_FILENO);
	options_usage();
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	close(p[1]);
	n = read(p[0], text, sizeof(text) - 1);
	close(p[0]);
	assert_true(n > 0);
	text[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_non_null(strstr(text, words[i]));
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		assert_true(strlen(line) <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_option),
		cmocka_unit_test(test_modes),
		cmocka_unit_test_setup_teardown(test_refused, quiet, loud),
		cmocka_unit_test(test_the_last_one_counts),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* runawayd --replay, the real program: the same story told twice, cut, damaged and foreign. */

#include "daemon/recording.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/json.h"

struct run {
	char program[512];
	char dir[32];
	char tape[64], out[64], err[64], config[64];
};

/* The daemon beside this test, of the same build. */
static void find_program(char *buf, size_t size)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *p;

	assert_true(n > 0);
	self[n] = '\0';
	p = strstr(self, "/tests/unit/daemon/");
	assert_non_null(p);
	*p = '\0';
	snprintf(buf, size, "%s/bin/runawayd", self);
}

static int setup(void **state)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	find_program(r->program, sizeof(r->program));
	snprintf(r->dir, sizeof(r->dir), "/tmp/rw-replay-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->tape, sizeof(r->tape), "%s/tape", r->dir);
	snprintf(r->out, sizeof(r->out), "%s/out", r->dir);
	snprintf(r->err, sizeof(r->err), "%s/err", r->dir);
	snprintf(r->config, sizeof(r->config), "%s/config", r->dir);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct run *r = *state;

	unlink(r->tape);
	unlink(r->out);
	unlink(r->err);
	unlink(r->config);
	assert_int_equal(rmdir(r->dir), 0); /* a replay leaves nothing behind */
	free(r);
	return 0;
}

static int open_output(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

/* Exit code; what was printed is in r->out and r->err. */
static int replay(const struct run *r, bool config)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(r->dir) < 0 || dup2(open_output(r->out), STDOUT_FILENO) < 0 ||
		    dup2(open_output(r->err), STDERR_FILENO) < 0)
			_exit(99);
		if (config)
			execl(r->program, "runawayd", "--replay", r->tape, "--config", r->config,
			      NULL);
		else
			execl(r->program, "runawayd", "--replay", r->tape, NULL);
		_exit(98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void read_all(const char *path, struct strbuf *b)
{
	assert_true(runaway_read_file(AT_FDCWD, path, 64 << 20, b) >= 0);
	strbuf_addc(b, '\0');
}

static void write_all(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int fd = open_output(path);

	assert_true(fd >= 0);
	assert_int_equal(runaway_write_all(fd, data, len), 0);
}

struct told {
	size_t opened, ended, incidents, events, lines;
	char incident_id[128], why[64], lane[128];
	char at[64]; /* of the opening */
};

static void take_finding(struct told *t, const cJSON *json)
{
	bool opened = strcmp(runaway_json_str(json, "event", ""), "opened") == 0;
	const char *id = runaway_json_str(json, "incident_id", "");

	assert_true(*id);
	if (opened) {
		t->opened++;
		snprintf(t->incident_id, sizeof(t->incident_id), "%s", id);
		snprintf(t->lane, sizeof(t->lane), "%s", runaway_json_str(json, "lane_id", ""));
		snprintf(t->at, sizeof(t->at), "%s", runaway_json_str(json, "at", ""));
		assert_true(cJSON_GetArraySize(runaway_json_get(json, "evidence")) > 0);
	} else {
		t->ended++;
		assert_string_equal(id, t->incident_id);
		snprintf(t->why, sizeof(t->why), "%s", runaway_json_str(json, "why", ""));
	}
}

/* Each line is a document of a known kind. */
static void take(const struct run *r, struct told *t)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *rest, *line;

	*t = (struct told){ 0 };
	read_all(r->out, &b);
	for (rest = b.data; (line = strsep(&rest, "\n")) && *line; t->lines++) {
		_cleanup_cjson_ cJSON *json = NULL;
		const char *kind;

		assert_int_equal(runaway_json_parse(line, strlen(line), &json, NULL), 0);
		kind = runaway_json_str(json, "record", "");
		if (strcmp(kind, "finding") == 0) {
			take_finding(t, json);
			continue;
		}
		assert_true(cJSON_IsObject(runaway_json_get(json, "line")));
		t->incidents += strcmp(kind, "incident") == 0;
		t->events += strcmp(kind, "event") == 0;
	}
	assert_int_equal(t->lines, t->opened + t->ended + t->incidents + t->events);
}

static void test_an_orphan_that_burns(void **state)
{
	struct run *r = *state;
	struct told t;

	tape_story(r->tape, 200, 5);
	assert_int_equal(replay(r, false), 0);
	take(r, &t);
	assert_int_equal(t.opened, 1);
	assert_int_equal(t.ended, 1);
	assert_true(t.incidents >= 2);
	assert_string_equal(t.lane, "orphan_browser_smoke_runaway_process");
	assert_true(*t.why);
	/* The tape's own time, not today's. */
	assert_memory_equal(t.at, "2026-11-22T", 11);
}

static void test_the_same_bytes_every_time(void **state)
{
	_cleanup_strbuf_ struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct run *r = *state;

	tape_story(r->tape, 200, 5);
	assert_int_equal(replay(r, false), 0);
	read_all(r->out, &a);
	assert_int_equal(replay(r, false), 0);
	read_all(r->out, &b);
	assert_true(a.len > 1000);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

/* Not long enough for the lane: its 120 s of age or 60 s of burning are not reached. */
static void test_not_yet(void **state)
{
	struct run *r = *state;
	struct told t;

	tape_story(r->tape, 100, 0);
	assert_int_equal(replay(r, false), 0);
	take(r, &t);
	assert_int_equal(t.lines, 0);
}

static void test_with_lanes_of_a_configuration(void **state)
{
	static const char config[] =
		"{ // shortened\n \"lanes\": [{ \"lane_id\": \"quick\", \"alertname\": \"Quick\","
		" \"classification\": \"host_resource_runaway_process\","
		" \"action_policy\": \"capacity_triage_no_process_remediation\","
		" \"severity\": \"P2\", \"subject\": \"orphan_tree\","
		" \"match\": { \"comm_any\": [\"chromium\"] },"
		" \"trigger\": { \"cpu_cores_min\": 0.5, \"age_s_min\": 3, \"for_s\": 3 },"
		" \"clear\": { \"cpu_cores_max\": 0.1, \"for_s\": 1 } }]}";
	struct run *r = *state;
	struct told t;

	tape_story(r->tape, 20, 5);
	write_all(r->config, config, sizeof(config) - 1);
	assert_int_equal(replay(r, true), 0);
	take(r, &t);
	assert_int_equal(t.opened, 1);
	assert_int_equal(t.ended, 1);
	assert_string_equal(t.lane, "quick");
}

static void test_a_configuration_that_is_refused(void **state)
{
	_cleanup_strbuf_ struct strbuf err = STRBUF_INIT, out = STRBUF_INIT;
	struct run *r = *state;

	tape_story(r->tape, 1, 0);
	write_all(r->config, "{\"lnaes\": []}", 13);
	assert_int_equal(replay(r, true), 2);
	read_all(r->err, &err);
	read_all(r->out, &out);
	assert_non_null(strstr(err.data, "lnaes"));
	assert_string_equal(out.data, "");
	unlink(r->config);
	assert_int_equal(replay(r, true), 2);
}

/* What came before the cut is told, as far as it went, and the cut is said. */
static void test_cut(void **state)
{
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT, part = STRBUF_INIT, err = STRBUF_INIT;
	struct run *r = *state;
	struct stat st;

	tape_story(r->tape, 200, 5);
	assert_int_equal(replay(r, false), 0);
	read_all(r->out, &whole);
	assert_int_equal(stat(r->tape, &st), 0);
	assert_int_equal(truncate(r->tape, st.st_size - st.st_size / 40 - 3), 0);
	assert_int_equal(replay(r, false), 0);
	read_all(r->out, &part);
	read_all(r->err, &err);
	assert_non_null(strstr(err.data, "cut off at byte"));
	assert_true(part.len > 100 && part.len < whole.len);
	assert_memory_equal(whole.data, part.data, part.len - 1);
}

static void test_files_that_are_none(void **state)
{
	_cleanup_strbuf_ struct strbuf err = STRBUF_INIT;
	struct run *r = *state;
	char garbage[4096];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (char)(i * 31 + i / 7);
	assert_int_equal(replay(r, false), 2); /* no such file */
	write_all(r->tape, garbage, sizeof(garbage));
	assert_int_equal(replay(r, false), 2);
	read_all(r->err, &err);
	assert_non_null(strstr(err.data, "not a recording"));
	write_all(r->tape, "", 0);
	assert_int_equal(replay(r, false), 2);
	/* The magic, then what is no record. */
	memcpy(garbage, RW_RECORDING_MAGIC, sizeof(RW_RECORDING_MAGIC) - 1);
	write_all(r->tape, garbage, sizeof(garbage));
	assert_int_equal(replay(r, false), 2);
}

/* The first record is RW_META by name, but too short to be one. */
static void test_a_head_without_a_body(void **state)
{
	struct {
		char magic[8];
		struct rw_hdr hdr[2];
	} file;
	struct run *r = *state;
	struct told t;

	memcpy(file.magic, RW_RECORDING_MAGIC, sizeof(file.magic));
	file.hdr[0] = (struct rw_hdr){ .type = RW_META, .len = sizeof(struct rw_hdr) };
	file.hdr[1] = (struct rw_hdr){ .type = RW_TICK, .len = sizeof(struct rw_hdr) };
	write_all(r->tape, &file, sizeof(file));
	assert_in_range(replay(r, false), 0, 2);
	take(r, &t);
	assert_int_equal(t.lines, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_orphan_that_burns),
		T(test_the_same_bytes_every_time),
		T(test_not_yet),
		T(test_with_lanes_of_a_configuration),
		T(test_a_configuration_that_is_refused),
		T(test_cut),
		T(test_files_that_are_none),
		T(test_a_head_without_a_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

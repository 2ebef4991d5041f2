/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Requests and answers of the control socket. */
#include "out/control_fixture.h"

static void test_every_method_answers(void **state)
{
	static const struct {
		const char *line, *want;
	} row[] = {
		{ "{\"id\":1,\"method\":\"status\"}", "\"version\":\"1.2.3\"" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":{}}", "\"uid\":65534" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":null}", "\"uid\":65534" },
		{ "{\"id\":1,\"method\":\"doctor\"}", "\"checks\":[" },
		{ "{\"id\":1,\"method\":\"proc.orphans\"}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":500}}", "\"pid\":501" },
		{ "{\"id\":1,\"method\":\"proc.tree\",\"params\":{\"pid\":1}}", "\"children\":[" },
		{ "{\"id\":1,\"method\":\"proc.top\"}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":1}}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"cgroup.top\",\"params\":{\"limit\":1000}}", "[" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"/ci.slice/job/\"}}",
		  "\"path\":\"/ci.slice/job\"" },
		{ "{\"id\":1,\"method\":\"lane.list\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"lane.show\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":true,\"lane_id\":"
		  "\"orphan_generic_cpu_runaway\"}}",
		  "orphan_generic_cpu_runaway" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"name\":\"x\",\"text\":\"{}\"}}",
		  "\"result\":[" },
		{ "{\"id\":1,\"method\":\"finding.list\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"incident.list\"}", "\"incident_id\":\"inc_" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"open\","
		  "\"lane\":\"quick\",\"limit\":1}}",
		  "\"incident_id\":\"inc_" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"closed\"}}",
		  "\"result\":[]" },
		{ "{\"id\":1,\"method\":\"config.check\",\"params\":{\"name\":\"x\","
		  "\"text\":\"{}\"}}",
		  "\"ok\":true" },
		{ "{\"id\":1,\"method\":\"config.show\"}", "\"env\":\"test\"" },
		{ "{\"id\":1,\"method\":\"config.reload\"}", "\"ok\":true" },
		{ "{\"id\":1,\"method\":\"store.verify\"}", "\"problems\":" },
		{ "{\"id\":1,\"method\":\"store.verify\"}", "\"problems\":" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		put(f, fd, row[i].line, strlen(row[i].line));
		put(f, fd, "\n", 1);
		assert_true(get(f, fd, &b));
		if (!strstr(b.data, row[i].want) || strstr(b.data, "\"error\""))
			fail_msg("%s: %s", row[i].line, b.data);
		cJSON_Delete(world_parse(&b));
		/* Whatever a process is called, it is one line without control characters. */
		for (size_t k = 0; k < b.len; k++)
			assert_true((unsigned char)b.data[k] >= 0x20);
	}
	assert_int_equal(f->reloads, 1);
	close(fd);
}

static void test_incident_documents(void **state)
{
	static const char *const part[] = { "incident", "finding", "lineage",
					    "samples",	"packet",  "events" };
	struct fixture *f = *state;
	const char *id = runaway_engine_findings(f->world.engine)->incident_id;
	char line[256];
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	snprintf(line, sizeof(line), "{\"method\":\"incident.show\",\"params\":{\"id\":\"%s\"}}",
		 id);
	answer = ask(f, fd, line);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		const cJSON *r = runaway_json_get(answer, "result");

		assert_non_null(runaway_json_get(r, part[i]));
	}
	cJSON_Delete(answer);
	snprintf(line, sizeof(line),
		 "{\"method\":\"incident.readback\",\"params\":{\"id\":\"%s\"}}", id);
	answer = ask(f, fd, line);
	assert_string_equal(
		runaway_json_str(runaway_json_get(answer, "result"), "schema_version", ""),
		"runaway_incident_readback_v1");
	cJSON_Delete(answer);
	snprintf(line, sizeof(line), "{\"method\":\"incident.packet\",\"params\":{\"id\":\"%s\"}}",
		 id);
	answer = ask(f, fd, line);
	assert_string_equal(runaway_json_str(runaway_json_get(answer, "result"), "lane_id", ""),
			    "quick");
	cJSON_Delete(answer);
	close(fd);
}

static void test_ids_come_back(void **state)
{
	static const char *const id[] = { "1", "-7", "0.5", "1e+300", "\"a\\\"b\"", "null" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	char line[128], want[64];
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		snprintf(line, sizeof(line), "{\"id\":%s,\"method\":\"config.show\"}\r\n\n", id[i]);
		snprintf(want, sizeof(want), "{\"id\":%s,\"result\":", id[i]);
		put(f, fd, line, strlen(line));
		assert_true(get(f, fd, &b));
		if (strncmp(b.data, want, strlen(want)) != 0)
			fail_msg("%s: %s", id[i], b.data);
	}
	close(fd);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *line, *code;
	} row[] = {
		{ "nonsense", "usage" },
		{ "{\"id\":1,\"method\":\"status\"} x", "usage" },
		{ "{\"id\":1,\"method\":\"status\"", "usage" },
		{ "[]", "usage" },
		{ "\"status\"", "usage" },
		{ "{}", "usage" },
		{ "{\"id\":[],\"method\":\"status\"}", "usage" },
		{ "{\"id\":1,\"method\":7}", "usage" },
		{ "{\"id\":1,\"method\":\"no.such\"}", "usage" },
		{ "{\"id\":1,\"method\":\"incident.approve\",\"params\":{\"id\":\"x\"}}",
		  "denied" },
		{ "{\"id\":1,\"method\":\"status\",\"extra\":1}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"method\":\"status\"}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":[]}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":{\"pid\":1}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\"}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":\"1\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1.5}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":0}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":-1}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":2147483648}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1e308}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1,\"pid\":2}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":4194304}}", "not_found" },
		{ "{\"id\":1,\"method\":\"proc.tree\",\"params\":{\"pid\":501}}", "not_found" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":0}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":1001}}", "usage" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"/no\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":1}}", "usage" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"lane_id\":\"no\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":true,\"lane_id\":"
		  "\"quick\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"name\":\"x\",\"text\":\"?\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"text\":\"{}\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"x\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"incident.show\",\"params\":{\"id\":\"inc_x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.show\",\"params\":{\"id\":\"../../x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.readback\",\"params\":{\"id\":\"x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.packet\",\"params\":{\"id\":\"x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"config.check\",\"params\":{\"name\":\"x\",\"text\":"
		  "\"?\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"\xff\xfe\"}", "usage" },
	};
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		cJSON *answer = ask(f, fd, row[i].line);

		if (strcmp(code_of(answer), row[i].code) != 0)
			fail_msg("%s: %s", row[i].line, code_of(answer));
		assert_non_null(runaway_json_get(answer, "id"));
		assert_null(runaway_json_get(answer, "result"));
		cJSON_Delete(answer);
	}
	close(fd);
}

static void test_deep_and_binary_lines(void **state)
{
	static const char with_nul[] = "{\"id\":1,\0\"method\":\"status\"}";
	struct fixture *f = *state;
	char deep[4096];
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	memset(deep, '[', sizeof(deep));
	answer = ask_n(f, fd, deep, sizeof(deep));
	assert_string_equal(code_of(answer), "usage");
	assert_true(cJSON_IsNull(runaway_json_get(answer, "id")));
	cJSON_Delete(answer);
	answer = ask_n(f, fd, with_nul, sizeof(with_nul) - 1);
	assert_string_equal(code_of(answer), "usage");
	cJSON_Delete(answer);
	answer = ask(f, fd, "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	close(fd);
}

/* Spaces around a request make a line of any length. */
static cJSON *ask_padded(struct fixture *f, int fd, size_t len)
{
	static const char request[] = "{\"id\":9,\"method\":\"config.show\"}";
	_cleanup_free_ char *line = malloc(len);

	assert_non_null(line);
	memset(line, ' ', len);
	memcpy(line, request, sizeof(request) - 1);
	return ask_n(f, fd, line, len);
}

static void test_longest_line(void **state)
{
	struct fixture *f = *state;
	static const size_t too_long[] = { RUNAWAY_CONTROL_LINE_MAX + 1,
					   RUNAWAY_CONTROL_LINE_MAX + 100000,
					   3 * RUNAWAY_CONTROL_LINE_MAX };
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	answer = ask_padded(f, fd, RUNAWAY_CONTROL_LINE_MAX);
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	for (size_t i = 0; i < ARRAY_SIZE(too_long); i++) {
		answer = ask_padded(f, fd, too_long[i]);
		assert_string_equal(code_of(answer), "usage");
		assert_true(cJSON_IsNull(runaway_json_get(answer, "id")));
		cJSON_Delete(answer);
	}
	/* One answer for each long line, and then the connection goes on. */
	answer = ask(f, fd, "{\"id\":10,\"method\":\"config.show\"}");
	assert_int_equal(runaway_json_u64(answer, "id", 0), 10);
	cJSON_Delete(answer);
	close(fd);
}

static void test_roles(void **state)
{
	static const struct {
		enum runaway_role role;
		const char *method, *code;
	} row[] = {
		{ ROLE_NONE, "status", "denied" },
		{ ROLE_NONE, "config.reload", "denied" },
		{ ROLE_NONE, "no.such", "denied" },
		{ ROLE_VIEWER, "status", "none" },
		{ ROLE_VIEWER, "config.reload", "denied" },
		{ ROLE_OPERATOR, "status", "none" },
		{ ROLE_OPERATOR, "config.reload", "none" },
		{ ROLE_VIEWER, "incident.dry-run", "denied" }, /* as the client's verb is written */
		{ ROLE_OPERATOR, "incident.dry", "usage" },
		{ ROLE_OWNER, "config.reload", "none" },
		{ ROLE_OWNER, "finding.list", "none" },
	};
	struct fixture *f = *state;

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char line[64];
		cJSON *answer;
		int fd;

		f->role = row[i].role;
		fd = dial(f);
		settle(f);
		/* The role is that of the moment of connecting. */
		f->role = ROLE_OWNER;
		snprintf(line, sizeof(line), "{\"id\":3,\"method\":\"%s\"}", row[i].method);
		answer = ask(f, fd, line);
		assert_string_equal(code_of(answer), row[i].code);
		assert_int_equal(runaway_json_u64(answer, "id", 0), 3);
		cJSON_Delete(answer);
		close(fd);
	}
	assert_int_equal(f->reloads, 2);
	assert_string_equal(runaway_role_name(ROLE_OPERATOR), "operator");
}

static void test_reload_refused(void **state)
{
	struct fixture *f = *state;
	const cJSON *error;
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	f->reload_err = -EINVAL;
	answer = ask(f, fd, "{\"method\":\"config.reload\"}");
	error = runaway_json_get(answer, "error");
	assert_string_equal(runaway_json_str(error, "code", ""), "usage");
	assert_string_equal(runaway_json_str(error, "message", ""),
			    "x.json:3: lanes[0].trigger: \"no\"\n");
	cJSON_Delete(answer);
	f->reload_err = -ENOENT; /* the file is gone: the configuration's fault */
	answer = ask(f, fd, "{\"method\":\"config.reload\"}");
	assert_string_equal(code_of(answer), "usage");
	cJSON_Delete(answer);
	f->reload_err = -EIO;
	answer = ask(f, fd, "{\"method\":\"config.reload\"}");
	assert_string_equal(code_of(answer), "failed");
	cJSON_Delete(answer);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_method_answers),
		TEST(test_incident_documents),
		TEST(test_ids_come_back),
		TEST(test_bad_requests),
		TEST(test_deep_and_binary_lines),
		TEST(test_longest_line),
		TEST(test_roles),
		TEST(test_reload_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

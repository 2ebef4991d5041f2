/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that the daemon answers itself, at once or when it knows. */
#include "out/control_fixture.h"

#define APPLY                                                                                      \
	"{\"id\":\"a\",\"method\":\"incident.apply\",\"params\":{\"id\":\"x\",\"plan\":"           \
	"\"0123456789012345678901234567890123456789012345678901234567890123\"}}\n"
#define STATUS "{\"id\":2,\"method\":\"status\"}\n"

static cJSON *next_answer(struct fixture *f, int fd)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	cJSON *json = NULL;

	assert_true(get(f, fd, &b));
	assert_int_equal(runaway_json_parse(b.data, b.len, &json, NULL), 0);
	return json;
}

static void test_at_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_cjson_ cJSON *answer = NULL;
	_cleanup_close_ int fd = -1;

	f->reply = "{\"done\":true}";
	assert_int_equal(open_control(f, 4, 60), 0);
	fd = dial(f);
	put(f, fd, APPLY, strlen(APPLY));
	answer = next_answer(f, fd);
	assert_string_equal(runaway_json_str(answer, "id", ""), "a");
	assert_true(runaway_json_true(runaway_json_get(answer, "result"), "done", false));
	assert_string_equal(f->method, "incident.apply");
	assert_int_equal(f->caller.uid, getuid());
	assert_int_equal(f->caller.pid, getpid());
	assert_int_equal(f->caller.role, ROLE_OPERATOR);
}

/* What comes behind it waits, so that answers keep the order of the requests. */
static void test_later_and_in_order(void **state)
{
	struct fixture *f = *state;
	_cleanup_cjson_ cJSON *first = NULL, *second = NULL;
	_cleanup_close_ int fd = -1, other = -1;
	char c;

	assert_int_equal(open_control(f, 4, 60), 0);
	fd = dial(f);
	other = dial(f);
	put(f, fd, APPLY STATUS, strlen(APPLY STATUS));
	settle(f);
	assert_int_equal(f->calls, 1);
	assert_int_equal(recv(fd, &c, 1, MSG_PEEK), -1);
	/* Others are served meanwhile, and the loop is not busy with the one who waits. */
	second = ask(f, other, "{\"id\":1,\"method\":\"status\"}");
	assert_string_equal(code_of(second), "none");
	cJSON_Delete(TAKE_PTR(second));
	settle(f);
	assert_false(turn(f, 50));

	runaway_control_reply(f->control, f->token + 1, NULL, "{}");
	settle(f);
	assert_int_equal(recv(fd, &c, 1, MSG_PEEK), -1);
	runaway_control_reply(f->control, f->token, "gate_refused", "no: \"window\"");
	first = next_answer(f, fd);
	assert_string_equal(code_of(first), "gate_refused");
	assert_string_equal(runaway_json_str(first, "id", ""), "a");
	second = next_answer(f, fd);
	assert_int_equal((int)runaway_json_num(second, "id", 0), 2);
	/* A second answer to the same call is none. */
	runaway_control_reply(f->control, f->token, NULL, "{}");
	settle(f);
	assert_int_equal(recv(fd, &c, 1, MSG_PEEK), -1);
}

static void test_who_leaves_is_forgotten(void **state)
{
	struct fixture *f = *state;
	_cleanup_cjson_ cJSON *answer = NULL;
	int fd;

	assert_int_equal(open_control(f, 1, 60), 0);
	fd = dial(f);
	put(f, fd, APPLY, strlen(APPLY));
	settle(f);
	assert_int_equal(f->calls, 1);
	close(fd);
	settle(f);
	runaway_control_reply(f->control, f->token, NULL, "{}");
	settle(f);
	/* Its place is free again. */
	fd = dial(f);
	answer = ask(f, fd, "{\"id\":1,\"method\":\"status\"}");
	assert_string_equal(code_of(answer), "none");
	close(fd);
}

static void test_who_only_stopped_sending_is_answered(void **state)
{
	struct fixture *f = *state;
	_cleanup_cjson_ cJSON *answer = NULL;
	_cleanup_close_ int fd = -1;

	assert_int_equal(open_control(f, 4, 60), 0);
	fd = dial(f);
	put(f, fd, APPLY, strlen(APPLY));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	settle(f);
	assert_false(turn(f, 50));
	runaway_control_reply(f->control, f->token, NULL, "{\"late\":1}");
	answer = next_answer(f, fd);
	assert_non_null(runaway_json_get(answer, "result"));
}

static void test_roles_and_parameters_come_first(void **state)
{
	static const struct {
		enum runaway_role role;
		const char *line, *code;
	} row[] = {
		{ ROLE_VIEWER, APPLY, "denied" },
		{ ROLE_OPERATOR,
		  "{\"method\":\"incident.approve\",\"params\":{\"id\":\"x\",\"plan\":\"y\","
		  "\"approval\":\"{}\"}}\n",
		  "denied" },
		{ ROLE_OPERATOR, "{\"method\":\"gate.release\",\"params\":{\"release\":\"{}\"}}\n",
		  "denied" },
		{ ROLE_OWNER,
		  "{\"method\":\"incident.apply\",\"params\":{\"id\":\"x\",\"plan\":\"short\"}}\n",
		  "usage" },
		{ ROLE_VIEWER, "{\"method\":\"gate.disarm\",\"params\":{\"reason\":\"r\"}}\n",
		  "denied" },
		{ ROLE_OPERATOR, "{\"method\":\"incident.no_action\",\"params\":{\"id\":\"x\"}}\n",
		  "usage" },
	};
	struct fixture *f = *state;

	assert_int_equal(open_control(f, 4, 60), 0);
	for (size_t n = 0; n < ARRAY_SIZE(row); n++) {
		_cleanup_cjson_ cJSON *answer = NULL;
		_cleanup_close_ int fd = -1;

		f->role = row[n].role;
		fd = dial(f);
		put(f, fd, row[n].line, strlen(row[n].line));
		answer = next_answer(f, fd);
		assert_string_equal(code_of(answer), row[n].code);
	}
	assert_int_equal(f->calls, 0);
}

/* Who may not call is told so, and the daemon hears who asked for what. */
static void test_denials_are_told_of(void **state)
{
	static const struct {
		enum runaway_role role;
		const char *line, *method, *id;
	} row[] = {
		{ ROLE_VIEWER, APPLY, "incident.apply", "x" },
		{ ROLE_NONE, APPLY, "incident.apply", "x" },
		{ ROLE_NONE, "{\"method\":\"gate.status\",\"params\":7}\n", "gate.status", "" },
		{ ROLE_OPERATOR, "{\"method\":\"gate.release\",\"params\":{\"id\":[]}}\n",
		  "gate.release", "" },
		/* Nothing that the daemon would have been asked. */
		{ ROLE_NONE, "{\"method\":\"status\"}\n", NULL, NULL },
		{ ROLE_VIEWER, "{\"method\":\"config.reload\"}\n", NULL, NULL },
		{ ROLE_NONE, "{\"method\":\"no.such\"}\n", NULL, NULL },
		{ ROLE_NONE, "{\"method\":[]}\n", NULL, NULL },
		{ ROLE_NONE, "{}\n", NULL, NULL },
	};
	struct fixture *f = *state;

	assert_int_equal(open_control(f, 4, 60), 0);
	for (size_t n = 0; n < ARRAY_SIZE(row); n++) {
		_cleanup_cjson_ cJSON *answer = NULL;
		_cleanup_close_ int fd = -1;

		f->denials = 0;
		f->role = row[n].role;
		fd = dial(f);
		put(f, fd, row[n].line, strlen(row[n].line));
		answer = next_answer(f, fd);
		assert_string_equal(code_of(answer), "denied");
		assert_int_equal(f->denials, row[n].method != NULL);
		if (!row[n].method)
			continue;
		assert_string_equal(f->method, row[n].method);
		assert_string_equal(f->denied_id, row[n].id);
		assert_int_equal(f->caller.role, row[n].role);
		assert_int_equal(f->caller.uid, getuid());
	}
	assert_int_equal(f->calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_once),
		TEST(test_later_and_in_order),
		TEST(test_who_leaves_is_forgotten),
		TEST(test_who_only_stopped_sending_is_answered),
		TEST(test_roles_and_parameters_come_first),
		TEST(test_denials_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames and messages of a peer that means no good. */
#include "gate/gate_test.h"

#include <sys/socket.h>

#include "gate/wire.h"

static void frames_come_back(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *text;
	size_t len, used;

	assert_int_equal(runaway_gate_frame_add(&b, "{}", 2), 0);
	assert_int_equal(runaway_gate_frame_add(&b, "[1]", 3), 0);
	assert_memory_equal(b.data, "\0\0\0\2{}\0\0\0\3[1]", 13);
	/* However it is cut, a frame is there when its last byte is. */
	for (size_t n = 0; n < 6; n++)
		assert_int_equal(runaway_gate_frame_next(b.data, n, &text, &len, &used), 0);
	assert_int_equal(runaway_gate_frame_next(b.data, b.len, &text, &len, &used), 1);
	assert_int_equal(used, 6);
	assert_int_equal(len, 2);
	assert_memory_equal(text, "{}", 2);
	assert_int_equal(runaway_gate_frame_next(b.data + 6, b.len - 6, &text, &len, &used), 1);
	assert_memory_equal(text, "[1]", 3);
}

static void lengths_are_bounded(_unused_ void **state)
{
	_cleanup_free_ char *big = calloc(1, RUNAWAY_GATE_FRAME_MAX + 1);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *text;
	size_t len, used;

	assert_non_null(big);
	assert_int_equal(runaway_gate_frame_add(&b, big, 0), -EMSGSIZE);
	assert_int_equal(runaway_gate_frame_add(&b, big, RUNAWAY_GATE_FRAME_MAX + 1), -EMSGSIZE);
	assert_int_equal(b.len, 0);
	assert_int_equal(runaway_gate_frame_add(&b, big, RUNAWAY_GATE_FRAME_MAX), 0);
	assert_int_equal(runaway_gate_frame_next(b.data, b.len, &text, &len, &used), 1);
	assert_int_equal(runaway_gate_frame_next("\0\1\0\1", 4, &text, &len, &used), -EMSGSIZE);
	assert_int_equal(runaway_gate_frame_next("\xff\xff\xff\xff", 4, &text, &len, &used),
			 -EMSGSIZE);
	assert_int_equal(runaway_gate_frame_next("\0\0\0\0", 4, &text, &len, &used), -EMSGSIZE);
	strbuf_reset(&b);
	b.error = -ENOMEM;
	assert_int_equal(runaway_gate_frame_add(&b, big, 1), -ENOMEM);
}

static int parse(const char *text)
{
	_cleanup_cjson_ cJSON *message = NULL;
	int err = runaway_gate_message_parse(text, strlen(text), &message);

	assert_true((err == 0) == (message != NULL));
	return err;
}

static void messages_have_type_and_id(_unused_ void **state)
{
	assert_int_equal(parse("{\"type\":\"status\",\"id\":\"1\"}"), 0);
	assert_int_equal(parse("{\"type\":\"status\",\"id\":1}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"status\",\"id\":\"\"}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"\",\"id\":\"1\"}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"status\"}"), -EBADMSG);
	assert_int_equal(parse("{}"), -EBADMSG);
	assert_int_equal(parse("[]"), -EBADMSG);
	assert_int_equal(parse("\"status\""), -EBADMSG);
	assert_int_equal(parse(""), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"1\""), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"1\"} x"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"\xff\"}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"\xc0\xaf\"}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"\\u0000\"}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"0123456789abcdef0123456789abcdef"
			       "0123456789abcdef0123456789abcdef\"}"),
			 0);
	assert_int_equal(parse("{\"type\":\"s\",\"id\":\"0123456789abcdef0123456789abcdef"
			       "0123456789abcdef0123456789abcdef0\"}"),
			 -EBADMSG);
}

static int parse_nested(size_t depth)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "{\"type\":\"s\",\"id\":\"1\",\"x\":");
	for (size_t i = 0; i < depth; i++)
		strbuf_addc(&b, '[');
	for (size_t i = 0; i < depth; i++)
		strbuf_addc(&b, ']');
	strbuf_addc(&b, '}');
	return parse(b.data);
}

static void depth_is_bounded(_unused_ void **state)
{
	assert_int_equal(parse_nested(RUNAWAY_GATE_DEPTH - 1), 0);
	assert_int_equal(parse_nested(RUNAWAY_GATE_DEPTH), -E2BIG);
	assert_int_equal(parse_nested(1000), -E2BIG);
	assert_int_equal(parse_nested(30000), -E2BIG);
}

static void sends_and_receives(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(runaway_gate_send(fd[0], "{\"a\":1}", 7), 0);
	assert_int_equal(runaway_gate_send(fd[0], "[]", 2), 0);
	assert_int_equal(runaway_gate_send(fd[0], "", 0), -EMSGSIZE);
	assert_int_equal(runaway_gate_receive(fd[1], &b), 0);
	assert_string_equal(b.data, "{\"a\":1}");
	assert_int_equal(runaway_gate_receive(fd[1], &b), 0);
	assert_string_equal(b.data, "[]");
	close(fd[1]);
	assert_int_equal(runaway_gate_send(fd[0], "[]", 2), -EPIPE);
	assert_int_equal(runaway_gate_receive(fd[0], &b), -EPIPE);
	close(fd[0]);
	assert_int_equal(runaway_gate_receive(fd[0], &b), -EBADF);
}

static int receive_bytes(const char *bytes, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd[2], err;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(write(fd[0], bytes, len), len);
	close(fd[0]);
	err = runaway_gate_receive(fd[1], &b);
	close(fd[1]);
	return err;
}

static void cut_frames_are_refused(_unused_ void **state)
{
	assert_int_equal(receive_bytes("\0\0", 2), -EBADMSG);
	assert_int_equal(receive_bytes("\0\0\0\2{", 5), -EBADMSG);
	assert_int_equal(receive_bytes("\0\0\0\2", 4), -EBADMSG);
	assert_int_equal(receive_bytes("\1\0\0\0{}", 6), -EMSGSIZE);
	assert_int_equal(receive_bytes("\0\0\0\0", 4), -EMSGSIZE);
	assert_int_equal(receive_bytes("\0\0\0\2{}", 6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(messages_have_type_and_id),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(sends_and_receives),
		cmocka_unit_test(cut_frames_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

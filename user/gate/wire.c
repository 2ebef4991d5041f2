/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/wire.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>

static bool length_ok(size_t len)
{
	return len > 0 && len <= RUNAWAY_GATE_FRAME_MAX;
}

int runaway_gate_frame_add(struct strbuf *out, const char *text, size_t len)
{
	uint32_t head = htobe32((uint32_t)len);

	if (!length_ok(len))
		return -EMSGSIZE;
	if (strbuf_reserve(out, sizeof(head) + len) < 0)
		return -ENOMEM;
	strbuf_add(out, &head, sizeof(head));
	strbuf_add(out, text, len);
	return 0;
}

static size_t frame_length(const char head[static RUNAWAY_GATE_FRAME_HEAD])
{
	uint32_t len;

	memcpy(&len, head, sizeof(len));
	return be32toh(len);
}

int runaway_gate_frame_next(const char *data, size_t len, const char **ret_text, size_t *ret_len,
			    size_t *ret_used)
{
	size_t text_len;

	if (len < RUNAWAY_GATE_FRAME_HEAD)
		return 0;
	text_len = frame_length(data);
	if (!length_ok(text_len))
		return -EMSGSIZE;
	if (len - RUNAWAY_GATE_FRAME_HEAD < text_len)
		return 0;
	*ret_text = data + RUNAWAY_GATE_FRAME_HEAD;
	*ret_len = text_len;
	*ret_used = RUNAWAY_GATE_FRAME_HEAD + text_len;
	return 1;
}

/* The reader of `base` has bounded the depth already: this ends. */
static bool too_deep(const cJSON *item, unsigned int room)
{
	const cJSON *child;

	if (!cJSON_IsObject(item) && !cJSON_IsArray(item))
		return false;
	if (room == 0)
		return true;
	for (child = item->child; child; child = child->next) {
		if (too_deep(child, room - 1))
			return true;
	}
	return false;
}

static bool has_word(const cJSON *message, const char *key)
{
	const char *word = runaway_json_str(message, key, "");

	return word[0] != '\0' && strlen(word) <= RUNAWAY_GATE_WORD_MAX;
}

int runaway_gate_message_parse(const char *text, size_t len, cJSON **ret)
{
	_cleanup_cjson_ cJSON *message = NULL;
	int err = runaway_json_parse(text, len, &message, NULL);

	if (err < 0)
		return err;
	if (too_deep(message, RUNAWAY_GATE_DEPTH))
		return -E2BIG;
	if (!has_word(message, "type") || !has_word(message, "id"))
		return -EBADMSG;
	*ret = TAKE_PTR(message);
	return 0;
}

/* Not write(2): a peer that is gone is an error to report, not a SIGPIPE to die of. */
int runaway_gate_send(int fd, const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf frame = STRBUF_INIT;
	int err = runaway_gate_frame_add(&frame, text, len);
	size_t sent = 0;

	while (err == 0 && sent < frame.len) {
		ssize_t n = send(fd, frame.data + sent, frame.len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	return err;
}

/* Bytes that came: fewer than asked for only at the end of the stream. */
static ssize_t read_full(int fd, char *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, buf + got, len - got);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)got;
}

int runaway_gate_receive(int fd, struct strbuf *b)
{
	char head[RUNAWAY_GATE_FRAME_HEAD];
	ssize_t n = read_full(fd, head, sizeof(head));
	size_t len;

	strbuf_reset(b);
	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE;
	if ((size_t)n < sizeof(head))
		return -EBADMSG;
	len = frame_length(head);
	if (!length_ok(len))
		return -EMSGSIZE;
	if (strbuf_reserve(b, len) < 0)
		return -ENOMEM;
	n = read_full(fd, b->data, len);
	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return -EBADMSG;
	b->data[len] = '\0';
	b->len = len;
	return 0;
}

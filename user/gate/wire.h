/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_WIRE_H
#define RUNAWAY_GATE_WIRE_H

/*
 * Messages between runawayd and runaway-gate: 4 bytes of length, big-endian, then that
 * many bytes of UTF-8: one JSON object. Either side may be hostile: nothing longer or
 * deeper than the bounds is looked at. docs/gate-protocol.md lists the messages.
 */

#include <stddef.h>

#include "base/json.h"
#include "base/strbuf.h"

#define RUNAWAY_GATE_FRAME_HEAD 4
#define RUNAWAY_GATE_FRAME_MAX	(64 * 1024) /* bytes of one object */
#define RUNAWAY_GATE_DEPTH	8	    /* objects and arrays inside each other */
#define RUNAWAY_GATE_WORD_MAX	64	    /* bytes of "type" and of "id" */

/* What runawayd hands to the gate at exec. */
#define RUNAWAY_GATE_FD_SOCKET 3 /* one end of a socketpair, SOCK_STREAM */
#define RUNAWAY_GATE_FD_FOLDER 4 /* the gate's own folder */

/* Appends a frame. 0; -EMSGSIZE (nothing appended) when empty or too long, -ENOMEM. */
int runaway_gate_frame_add(struct strbuf *out, const char *text, size_t len);

/*
 * The first frame of what was received so far, in place. 1 with *ret_text, *ret_len and
 * *ret_used (bytes to drop afterwards); 0 when more has to come; -EMSGSIZE when the frame
 * is empty or too long: nothing behind it can be told apart, the connection is to be closed.
 */
int runaway_gate_frame_next(const char *data, size_t len, const char **ret_text, size_t *ret_len,
			    size_t *ret_used);

/*
 * An object with "type" and "id" (strings, neither empty nor longer than WORD_MAX). 0 and
 * a tree for cJSON_Delete(); -EBADMSG, -E2BIG (too deep), -ENOMEM.
 */
int runaway_gate_message_parse(const char *text, size_t len, cJSON **ret);

/* Blocking. A whole frame, going on after EINTR and short writes. 0 or a negative errno. */
int runaway_gate_send(int fd, const char *text, size_t len);

/*
 * Blocking. The next frame's text into b (reset first). 0; -EPIPE when the peer has closed
 * between two frames, -EBADMSG within one, -EMSGSIZE, -ENOMEM or what read(2) says.
 */
int runaway_gate_receive(int fd, struct strbuf *b);

#endif

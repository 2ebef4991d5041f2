/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DAEMON_REPLY_H
#define TESTS_UNIT_DAEMON_REPLY_H

/* What a caller was answered; for programs that are linked with --wrap: runaway_control_reply. */

#include <stdio.h>

#include "daemon/daemon.h"

static struct {
	uint64_t token;
	char code[32], text[512];
} reply;
static size_t replies;

void __wrap_runaway_control_reply(struct runaway_control *c, uint64_t token, const char *code,
				  const char *text);

void __wrap_runaway_control_reply(struct runaway_control *c _unused_, uint64_t token,
				  const char *code, const char *text)
{
	reply.token = token;
	snprintf(reply.code, sizeof(reply.code), "%s", code ? code : "");
	snprintf(reply.text, sizeof(reply.text), "%s", text ? text : "");
	replies++;
}

#endif

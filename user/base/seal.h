/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_SEAL_H
#define RUNAWAY_BASE_SEAL_H

/*
 * Lines that carry their own digest. A log becomes a chain when each line also holds
 * the digest of the line before it. docs/incidents.md shows how to check both with a
 * shell.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

/* What the first line of a chain names as the line before it. */
#define RUNAWAY_CHAIN_START "0000000000000000000000000000000000000000000000000000000000000000"

/* Turns the object in b into a sealed line: `,"hash":"…"}` with the digest of what stood there. */
void runaway_line_seal(struct strbuf *b);
/* True when the line's last member is the digest of the rest. */
bool runaway_line_sealed(const char *text, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_DIGEST_H
#define RUNAWAY_BASE_DIGEST_H

/* SHA-256 (FIPS 180-4) of libsodium, in lower-case hex. */

#include <stddef.h>

#define RUNAWAY_SHA256_HEX (64 + 1)

/* Must be called once before the others. Returns 0, or -EIO if libsodium cannot start. */
int runaway_digest_init(void);
void runaway_sha256_hex(const void *data, size_t len, char hex[static RUNAWAY_SHA256_HEX]);
/* size random bytes from the kernel. */
void runaway_random(void *buf, size_t size);

#endif

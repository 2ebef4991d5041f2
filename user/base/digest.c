/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"

#include <errno.h>
#include <sodium.h>

int runaway_digest_init(void)
{
	/* 1 says that it was started before. */
	return sodium_init() < 0 ? -EIO : 0;
}

void runaway_sha256_hex(const void *data, size_t len, char hex[static RUNAWAY_SHA256_HEX])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, data, len);
	sodium_bin2hex(hex, RUNAWAY_SHA256_HEX, hash, sizeof(hash));
}

void runaway_random(void *buf, size_t size)
{
	randombytes_buf(buf, size);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_KEY_H
#define RUNAWAY_GATE_KEY_H

/*
 * Ed25519 keys of owners (libsodium). Public keys stand in the configuration as hex;
 * a secret key is a file of 64 hex digits (its seed) and a newline that only its owner
 * reads. runaway_digest_init() must have been called.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gate/document.h"

struct runaway_key {
	unsigned char secret[RUNAWAY_SECRET_BYTES];
	char public_hex[RUNAWAY_KEY_HEX];
	char id[RUNAWAY_KEY_ID_HEX];
};

/* Overwrites the secret, also where a compiler would see no use in it. */
void runaway_key_wipe(struct runaway_key *k);
#define _cleanup_key_ _cleanup_(runaway_key_wipe)

/* A new key from the kernel's random numbers. */
void runaway_key_generate(struct runaway_key *ret);

/*
 * Makes a new file (mode 0600) that holds the secret. 0, -EEXIST when there is something
 * at path already, or another negative errno, and then no file is left.
 */
int runaway_key_save(const struct runaway_key *k, const char *path);
/* Reads it. 0, -EBADMSG (no such file's content), -EPERM (others may read it), or what open(2)
 * says. */
int runaway_key_load(const char *path, struct runaway_key *ret);

/* Is it the hex of a point that may be a public key? (Not of small order, not out of range.) */
bool runaway_key_public_ok(const char *public_hex);
/* First 16 hex digits of the SHA-256 of the public key's 32 bytes. Not called with bad hex. */
void runaway_key_id(const char *public_hex, char ret[static RUNAWAY_KEY_ID_HEX]);
void runaway_key_id_of_secret(const unsigned char secret[static RUNAWAY_SECRET_BYTES],
			      char ret[static RUNAWAY_KEY_ID_HEX]);

void runaway_key_sign(const char *text, size_t len,
		      const unsigned char secret[static RUNAWAY_SECRET_BYTES],
		      char ret[static RUNAWAY_SIGNATURE_HEX]);
/* False too for anything that is no hex of the right length. */
bool runaway_key_verify(const char *text, size_t len, const char *signature_hex,
			const char *public_hex);

#endif

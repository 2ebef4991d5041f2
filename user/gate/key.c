/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/key.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

#define PUBLIC_BYTES	crypto_sign_PUBLICKEYBYTES
#define SEED_HEX	(crypto_sign_SEEDBYTES * 2)
#define SIGNATURE_BYTES crypto_sign_BYTES

static_assert(RUNAWAY_SECRET_BYTES == crypto_sign_SECRETKEYBYTES, "secret key");
static_assert(RUNAWAY_KEY_HEX == PUBLIC_BYTES * 2 + 1, "public key");
static_assert(RUNAWAY_SIGNATURE_HEX == SIGNATURE_BYTES * 2 + 1, "signature");

/* Exactly size bytes from hex, nothing behind them. */
static bool from_hex(const char *hex, size_t hex_len, unsigned char *ret, size_t size)
{
	return hex_len == size * 2 &&
	       sodium_hex2bin(ret, size, hex, hex_len, NULL, NULL, NULL) == 0;
}

static void id_of(const unsigned char public_[static PUBLIC_BYTES],
		  char ret[static RUNAWAY_KEY_ID_HEX])
{
	char hex[RUNAWAY_SHA256_HEX];

	runaway_sha256_hex(public_, PUBLIC_BYTES, hex);
	memcpy(ret, hex, RUNAWAY_KEY_ID_HEX - 1);
	ret[RUNAWAY_KEY_ID_HEX - 1] = '\0';
}

static void from_seed(const unsigned char seed[static crypto_sign_SEEDBYTES],
		      struct runaway_key *ret)
{
	unsigned char public_[PUBLIC_BYTES];

	crypto_sign_seed_keypair(public_, ret->secret, seed);
	sodium_bin2hex(ret->public_hex, sizeof(ret->public_hex), public_, sizeof(public_));
	id_of(public_, ret->id);
}

void runaway_key_wipe(struct runaway_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

void runaway_key_generate(struct runaway_key *ret)
{
	unsigned char seed[crypto_sign_SEEDBYTES];

	runaway_random(seed, sizeof(seed));
	from_seed(seed, ret);
	sodium_memzero(seed, sizeof(seed));
}

static int write_durably(int fd, const char *path, const char *text, size_t len)
{
	int err = runaway_write_all(fd, text, len);

	if (err < 0)
		return err;
	return fsync(fd) < 0 ? -errno : runaway_fsync_parent(path);
}

int runaway_key_save(const struct runaway_key *k, const char *path)
{
	_cleanup_close_ int fd = -1;
	char line[SEED_HEX + 2];
	int err;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	/* The seed is the first half of libsodium's secret key. */
	sodium_bin2hex(line, SEED_HEX + 1, k->secret, crypto_sign_SEEDBYTES);
	line[SEED_HEX] = '\n';
	err = write_durably(fd, path, line, SEED_HEX + 1);
	sodium_memzero(line, sizeof(line));
	/* A part of a key would be in the way of the next one. */
	if (err < 0)
		(void)unlink(path);
	return err;
}

static int read_secret_file(const char *path, struct strbuf *b)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return -EPERM;
	return runaway_read_file(AT_FDCWD, path, 2 * SEED_HEX, b);
}

int runaway_key_load(const char *path, struct runaway_key *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	unsigned char seed[crypto_sign_SEEDBYTES];
	int err = read_secret_file(path, &b);

	if (err < 0)
		return err == -EFBIG ? -EBADMSG : err;
	if (b.len != SEED_HEX + 1 || b.data[SEED_HEX] != '\n' ||
	    !from_hex(b.data, SEED_HEX, seed, sizeof(seed)))
		err = -EBADMSG;
	else
		from_seed(seed, ret);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(b.data, b.len);
	return err < 0 ? err : 0;
}

bool runaway_key_public_ok(const char *public_hex)
{
	unsigned char public_[PUBLIC_BYTES], curve[crypto_scalarmult_curve25519_BYTES];

	/* The conversion refuses what is no point of the main subgroup. */
	return from_hex(public_hex, strlen(public_hex), public_, sizeof(public_)) &&
	       crypto_sign_ed25519_pk_to_curve25519(curve, public_) == 0;
}

void runaway_key_id(const char *public_hex, char ret[static RUNAWAY_KEY_ID_HEX])
{
	unsigned char public_[PUBLIC_BYTES] = { 0 };

	(void)from_hex(public_hex, strlen(public_hex), public_, sizeof(public_));
	id_of(public_, ret);
}

void runaway_key_id_of_secret(const unsigned char secret[static RUNAWAY_SECRET_BYTES],
			      char ret[static RUNAWAY_KEY_ID_HEX])
{
	unsigned char public_[PUBLIC_BYTES];

	crypto_sign_ed25519_sk_to_pk(public_, secret);
	id_of(public_, ret);
}

void runaway_key_sign(const char *text, size_t len,
		      const unsigned char secret[static RUNAWAY_SECRET_BYTES],
		      char ret[static RUNAWAY_SIGNATURE_HEX])
{
	unsigned char signature[SIGNATURE_BYTES];

	crypto_sign_detached(signature, NULL, (const unsigned char *)text, len, secret);
	sodium_bin2hex(ret, RUNAWAY_SIGNATURE_HEX, signature, sizeof(signature));
}

bool runaway_key_verify(const char *text, size_t len, const char *signature_hex,
			const char *public_hex)
{
	unsigned char public_[PUBLIC_BYTES], signature[SIGNATURE_BYTES];

	return from_hex(public_hex, strlen(public_hex), public_, sizeof(public_)) &&
	       from_hex(signature_hex, strlen(signature_hex), signature, sizeof(signature)) &&
	       crypto_sign_verify_detached(signature, (const unsigned char *)text, len, public_) ==
		       0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/gate_test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

static char dir[32], path[64];

static int start(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/rw-key-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/key", dir);
	return runaway_digest_init();
}

static int stop(_unused_ void **state)
{
	(void)unlink(path);
	return rmdir(dir);
}

/* RFC 8032, 7.1, test 2. */
#define RFC_SECRET "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define RFC_PUBLIC "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define RFC_SIGNATURE                                                                              \
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"                         \
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static void put(const char *text, mode_t mode)
{
	(void)unlink(path);
	assert_int_equal(runaway_write_file_atomic(path, text, strlen(text), mode), 0);
}

static void known_answer(_unused_ void **state)
{
	_cleanup_key_ struct runaway_key key;
	char signature[RUNAWAY_SIGNATURE_HEX], id[RUNAWAY_KEY_ID_HEX];

	put(RFC_SECRET "\n", 0600);
	assert_int_equal(runaway_key_load(path, &key), 0);
	assert_string_equal(key.public_hex, RFC_PUBLIC);
	runaway_key_sign("\x72", 1, key.secret, signature);
	assert_string_equal(signature, RFC_SIGNATURE);
	assert_true(runaway_key_verify("\x72", 1, RFC_SIGNATURE, RFC_PUBLIC));
	assert_false(runaway_key_verify("\x73", 1, RFC_SIGNATURE, RFC_PUBLIC));
	runaway_key_id(RFC_PUBLIC, id);
	assert_string_equal(id, key.id);
	runaway_key_id_of_secret(key.secret, id);
	assert_string_equal(id, key.id);
	assert_int_equal(strlen(id), 16);
}

static void saved_keys_come_back(_unused_ void **state)
{
	struct runaway_key key, back;
	struct stat st;
	int input;

	(void)unlink(path);
	runaway_key_generate(&key);
	assert_true(runaway_key_public_ok(key.public_hex));
	assert_int_equal(runaway_key_save(&key, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(runaway_key_save(&key, path), -EEXIST);
	assert_int_equal(runaway_key_load(path, &back), 0);
	assert_memory_equal(&key, &back, sizeof(key));
	runaway_key_wipe(&back);
	assert_int_equal(back.secret[0] | back.secret[31] | back.id[0], 0);
	assert_int_equal(runaway_key_save(&key, "/nonexistent/key"), -ENOENT);
	/* Standard input is closed: the file gets its number. */
	(void)unlink(path);
	input = fcntl(0, F_DUPFD_CLOEXEC, 64);
	(void)close(0);
	assert_int_equal(runaway_key_save(&key, path), 0);
	assert_int_equal(fcntl(0, F_GETFD), -1);
	if (input >= 0) {
		assert_int_equal(dup2(input, 0), 0);
		close(input);
	}
}

static void bad_files_are_refused(_unused_ void **state)
{
	struct runaway_key key;

	put(RFC_SECRET "\n", 0640);
	assert_int_equal(runaway_key_load(path, &key), -EPERM);
	put(RFC_SECRET, 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put(RFC_SECRET "0", 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put(RFC_SECRET "\nx", 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put("x" RFC_SECRET, 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put("xccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb\n", 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put("", 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	put(RFC_SECRET RFC_SECRET RFC_SECRET, 0600);
	assert_int_equal(runaway_key_load(path, &key), -EBADMSG);
	assert_int_equal(runaway_key_load("/nonexistent/key", &key), -ENOENT);
}

static void bad_hex_is_refused(_unused_ void **state)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";

	assert_true(runaway_key_public_ok(RFC_PUBLIC));
	assert_false(runaway_key_public_ok(""));
	assert_false(runaway_key_public_ok(RFC_PUBLIC "00"));
	assert_false(runaway_key_public_ok(zeros)); /* a point of small order */
	assert_false(runaway_key_public_ok(
		"zd4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
	assert_false(runaway_key_verify("\x72", 1, "", RFC_PUBLIC));
	assert_false(runaway_key_verify("\x72", 1, RFC_SIGNATURE "00", RFC_PUBLIC));
	assert_false(runaway_key_verify("\x72", 1, RFC_SIGNATURE, zeros));
	assert_false(runaway_key_verify("\x72", 1, RFC_SIGNATURE, RFC_PUBLIC "0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answer),
		cmocka_unit_test(saved_keys_come_back),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(bad_hex_is_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

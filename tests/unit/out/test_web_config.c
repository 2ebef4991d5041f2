/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web configuration file: what is taken, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/macros.h"
#include "out/web_config.h"

#define HASH	  "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e" /* correct horse */
#define HASH_DEAR "$2b$13$abcdefghijklmnopqrstuurFHhu1Lp4WCNrSzmYTCGZuoaDJbHilO"
#define PEM	  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

static char folder[] = "/tmp/runaway-web-XXXXXX";

static void put(const char *name, const char *text, size_t len)
{
	_cleanup_free_ char *path = runaway_path_join(folder, name);

	assert_int_equal(runaway_write_file_atomic(path, text, len, 0600), 0);
}

/* The message for the file's text without its folder, NULL if it was taken. */
static char *read_text(const char *text, size_t len, struct runaway_web_config **ret)
{
	_cleanup_free_ char *path = runaway_path_join(folder, "web.yml");
	char *why = NULL;
	int r;

	*ret = NULL;
	put("web.yml", text, len);
	r = runaway_web_config_read(path, ret, &why);
	if (r == 0) {
		assert_null(why);
		assert_non_null(*ret);
		return NULL;
	}
	assert_int_equal(r, -EINVAL);
	assert_null(*ret);
	assert_non_null(why);
	assert_memory_equal(why, path, strlen(path));
	memmove(why, why + strlen(path), strlen(why + strlen(path)) + 1);
	return why;
}

static const struct {
	const char *text, *why;
} refused[] = {
	{ "[]", ":1: expected keys and values" },
	{ "tls_server_config: yes", ":1: tls_server_config: expected keys and values" },
	{ "\nhttp_server_config:\n  http2: true\n", ":2: http_server_config: not known here" },
	{ "tls_server_config: {}", ":1: tls_server_config: needs cert_file and key_file" },
	{ "tls_server_config:\n  cert_file: cert.pem\n",
	  ":2: tls_server_config: needs cert_file and key_file" },
	{ "tls_server_config:\n  cert_file: cert.pem\n  key_file: nowhere.pem\n",
	  ":3: tls_server_config.key_file: cannot read %s/nowhere.pem: No such file or directory" },
	{ "tls_server_config:\n  cert_file: web.yml\n",
	  ":2: tls_server_config.cert_file: %s/web.yml is not in PEM form" },
	{ "tls_server_config:\n  cert_file: cert.pem\n  cert_file: cert.pem\n",
	  ":3: tls_server_config.cert_file: given twice" },
	{ "tls_server_config:\n  client_auth_type: RequestClientCert\n",
	  ":2: tls_server_config.client_auth_type: only RequireAndVerifyClientCert, or leave it "
	  "out for none" },
	{ "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n"
	  "  cert_file: cert.pem\n  key_file: cert.pem\n",
	  ":2: tls_server_config: client_auth_type and client_ca_file need each other" },
	{ "tls_server_config:\n  client_ca_file: cert.pem\n  cert_file: cert.pem\n"
	  "  key_file: cert.pem\n",
	  ":2: tls_server_config: client_auth_type and client_ca_file need each other" },
	{ "tls_server_config:\n  min_version: TLS10\n",
	  ":2: tls_server_config.min_version: TLS12 or TLS13" },
	{ "tls_server_config:\n  cert_file: [a]\n",
	  ":2: tls_server_config.cert_file: expected a text" },
	{ "basic_auth_users: {}", ":1: basic_auth_users: 1 to 64 users" },
	{ "basic_auth_users: bob", ":1: basic_auth_users: expected names and bcrypt hashes" },
	{ "basic_auth_users:\n  bob: secret\n",
	  ":2: basic_auth_users: expected a bcrypt hash ($2y$…), as htpasswd -nB prints it" },
	{ "basic_auth_users:\n  bob: " HASH_DEAR "\n",
	  ":2: basic_auth_users: cost 13 is more than 12: each check would hold up the sensor" },
	{ "basic_auth_users:\n  a: " HASH "\n  a: " HASH "\n",
	  ":3: basic_auth_users: a user given twice" },
	{ "basic_auth_users:\n  \"a:b\": " HASH "\n",
	  ":2: basic_auth_users: a user's name has no colon" },
	{ "basic_auth_users:\n  \"a\\0b\": " HASH "\n", ":2: basic_auth_users: a NUL byte in it" },
	{ "a: b: c", ":1: mapping values are not allowed in this context" },
	{ "\"unterminated", ":1: found unexpected end of stream" },
	{ "\xff\xfe\xff", ":1: incomplete UTF-16 character" },
};

static void says_what_is_wrong(void **state _unused_)
{
	struct runaway_web_config *c;

	put("cert.pem", PEM, strlen(PEM));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *why = read_text(refused[i].text, strlen(refused[i].text), &c);
		const char *at = strstr(refused[i].why, "%s");
		char want[512];

		if (at)
			snprintf(want, sizeof(want), "%.*s%s%s", (int)(at - refused[i].why),
				 refused[i].why, folder, at + 2);
		else
			snprintf(want, sizeof(want), "%s", refused[i].why);
		assert_non_null(why);
		assert_string_equal(why, want);
	}
}

static void takes_what_is_right(void **state _unused_)
{
	static const char all[] = "tls_server_config:\n  cert_file: cert.pem\n"
				  "  key_file: cert.pem\n  min_version: TLS13\n"
				  "  client_auth_type: RequireAndVerifyClientCert\n"
				  "  client_ca_file: cert.pem\n"
				  "basic_auth_users:\n  bob: " HASH "\n  eve: " HASH "\n";
	struct runaway_web_config *c;

	put("cert.pem", PEM, strlen(PEM));
	assert_null(read_text("", 0, &c));
	assert_null(c->cert);
	assert_int_equal(c->n_users, 0);
	runaway_web_config_free(c);

	assert_null(read_text(all, strlen(all), &c));
	assert_string_equal(c->cert, PEM);
	assert_string_equal(c->key, PEM);
	assert_string_equal(c->client_ca, PEM);
	assert_null(strstr(c->priorities, "TLS1.2"));
	assert_int_equal(c->n_users, 2);
	assert_string_equal(c->users[1].name, "eve");
	assert_string_equal(c->users[1].hash, HASH);
	runaway_web_config_free(c);
}

/* Every prefix of a good file is either taken or refused with a line. */
static void survives_a_torn_file(void **state _unused_)
{
	static const char all[] = "tls_server_config: {cert_file: cert.pem, key_file: cert.pem}\n"
				  "basic_auth_users: &x\n  bob: \"" HASH "\"\n  eve: *x\n";
	struct runaway_web_config *c;

	put("cert.pem", PEM, strlen(PEM));
	for (size_t n = 0; n <= strlen(all); n++) {
		_cleanup_free_ char *why = read_text(all, n, &c);

		if (!why)
			runaway_web_config_free(c);
		else
			assert_true(why[0] == ':' && why[1] >= '1' && why[1] <= '9');
	}
}

static void names_the_missing_file(void **state _unused_)
{
	struct runaway_web_config *c = NULL;
	char *why = NULL;

	assert_int_equal(runaway_web_config_read("/nonexistent/web.yml", &c, &why), -ENOENT);
	assert_string_equal(why, "/nonexistent/web.yml: No such file or directory");
	assert_null(c);
	free(why);
}

static int make_folder(void **state _unused_)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state _unused_)
{
	static const char *const names[] = { "web.yml", "cert.pem" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = runaway_path_join(folder, names[i]);

		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(takes_what_is_right),
		cmocka_unit_test(survives_a_torn_file),
		cmocka_unit_test(names_the_missing_file),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

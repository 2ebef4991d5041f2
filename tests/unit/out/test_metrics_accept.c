/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "out/metrics.h"

#define OM "application/openmetrics-text"

static const struct {
	const char *accept;
	enum metrics_format want;
} table[] = {
	{ NULL, METRICS_TEXT },
	{ "", METRICS_TEXT },
	{ "*/*", METRICS_TEXT },
	{ "text/html,application/xhtml+xml,*/*;q=0.8", METRICS_TEXT },
	{ "text/plain", METRICS_TEXT },
	{ OM, METRICS_OPENMETRICS },
	{ "Application/OpenMetrics-Text", METRICS_OPENMETRICS },
	{ OM ";version=1.0.0", METRICS_OPENMETRICS },
	{ OM ";version=\"1.0.0\"", METRICS_OPENMETRICS },
	{ OM " ; version = 1.0.0 ; q=0.3", METRICS_OPENMETRICS },
	/* Prometheus 2.42 */
	{ OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  METRICS_OPENMETRICS },
	/* Prometheus 3 */
	{ OM ";version=1.0.0;escaping=allow-utf-8;q=0.5," OM ";version=0.0.1;q=0.4,"
	     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,"
	     "*/*;q=0.1",
	  METRICS_OPENMETRICS },
	{ OM ";version=0.0.1", METRICS_TEXT },
	{ OM ";version=2.0.0", METRICS_TEXT },
	{ OM ";q=0", METRICS_TEXT },
	{ OM ";q=0.0", METRICS_TEXT },
	{ OM ";q=0.000,*/*", METRICS_TEXT },
	{ OM ";q=0.5,text/plain;q=0.5", METRICS_TEXT },
	{ OM ";q=0.501,text/plain;q=0.5", METRICS_OPENMETRICS },
	{ OM ",*/*", METRICS_OPENMETRICS },
	{ OM ";q=0.5,text/*;q=0.5", METRICS_OPENMETRICS },
	{ OM ";q=0,*/*;q=0", METRICS_TEXT },
	{ OM ";q=0.4,text/*;q=0.5", METRICS_TEXT },
	{ OM ";q=0.4,text/plain;q=0.1,*/*;q=0.9", METRICS_OPENMETRICS },
	{ OM ";q=0.4,*/*;q=0.9,text/plain;q=0.1", METRICS_OPENMETRICS },
	/* malformed: asks nothing */
	{ OM ";q=2", METRICS_TEXT },
	{ OM ";q=-1", METRICS_TEXT },
	{ OM ";q=1.001", METRICS_TEXT },
	{ OM ";q=0.1234", METRICS_TEXT },
	{ OM ";q=", METRICS_TEXT },
	{ OM ";q=nan", METRICS_TEXT },
	{ OM ";q=1e9", METRICS_TEXT },
	{ OM ";q=0x1", METRICS_TEXT },
	{ OM "x", METRICS_TEXT },
	{ "x" OM, METRICS_TEXT },
	{ ";" OM, METRICS_TEXT },
	{ "\"" OM, METRICS_TEXT },
	{ "text/plain;a=\"," OM ",\"", METRICS_TEXT },
	{ "text/plain;a=\"\\\"," OM "\";q=0.1," OM, METRICS_OPENMETRICS },
	{ ",,,;;;==," OM ",,", METRICS_OPENMETRICS },
	{ OM ";;;=;q", METRICS_OPENMETRICS },
	{ "\"", METRICS_TEXT },
	{ "\\", METRICS_TEXT },
	{ "a;b=\"\\", METRICS_TEXT },
	{ "\xff\xfe;\x01", METRICS_TEXT },
};

static void test_table(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (runaway_metrics_negotiate(table[i].accept) != table[i].want)
			fail_msg("Accept: %s", table[i].accept ? table[i].accept : "(none)");
	}
}

/* Every prefix and every one-byte change of a header is read within its bounds. */
static void test_hostile_bytes(void **state _unused_)
{
	static const char whole[] = OM ";version=\"1.0.0\";q=0.5, text/plain;q=0.25,\t*/*;q=0.1";

	for (size_t len = 0; len < sizeof(whole); len++) {
		for (int byte = 1; byte < 256; byte++) {
			char *s =
				strndup(whole, len); /* exact size: the sanitizer guards its end */

			assert_non_null(s);
			if (len)
				s[len - 1] = (char)byte;
			(void)runaway_metrics_negotiate(s);
			free(s);
		}
	}
}

static void test_content_types(void **state _unused_)
{
	assert_string_equal(runaway_metrics_content_type(METRICS_TEXT),
			    "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(runaway_metrics_content_type(METRICS_OPENMETRICS),
			    "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_content_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

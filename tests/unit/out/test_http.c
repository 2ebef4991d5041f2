/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is served: paths, methods, formats, health. */
#include "out/exposition.h"
#include "out/http_fixture.h"

static void test_paths(void **state _unused_)
{
	static const struct {
		const char *path;
		int status;
		const char *type;
	} table[] = {
		{ "/", 200, "text/html; charset=utf-8" },
		{ "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8" },
		{ "/metrics?x=y", 200, "text/plain; version=0.0.4; charset=utf-8" },
		{ "/healthz", 200, "text/plain; charset=utf-8" },
		{ "/-/healthy", 200, "text/plain; charset=utf-8" },
		{ "/readyz", 200, "text/plain; charset=utf-8" },
		{ "/-/ready", 200, "text/plain; charset=utf-8" },
		{ "/api/v1/status", 200, "application/json; charset=utf-8" },
		{ "/api/v1/orphans", 200, "application/json; charset=utf-8" },
		{ "/api/v1/findings", 200, "application/json; charset=utf-8" },
		{ "/api/v1/incidents", 200, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?status=open&limit=1&lane=x", 200,
		  "application/json; charset=utf-8" },
		{ "/api/v1/incidents?status=bogus", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=0", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=10001", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=-1", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=99999999999999999999", 400,
		  "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/", 404, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/inc_none", 404, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/..%2f..%2fevents.jsonl", 404,
		  "application/json; charset=utf-8" },
		{ "/api/v1/readiness", 404, "application/json; charset=utf-8" },
		{ "/nothing", 404, "application/json; charset=utf-8" },
		{ "/metrics/", 404, "application/json; charset=utf-8" },
		{ "//", 404, "application/json; charset=utf-8" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char type[128];

		get(&s, "GET", table[i].path, "", &b);
		if (status_of(&b) != table[i].status)
			fail_msg("%s: %d", table[i].path, status_of(&b));
		snprintf(type, sizeof(type), "Content-Type: %s", table[i].type);
		assert_header(&b, type);
		assert_header(&b, "Cache-Control: no-store");
		assert_header(&b, "X-Content-Type-Options: nosniff");
		if (table[i].status == 404)
			assert_json_error(&b, "not_found");
		else if (table[i].status == 400)
			assert_json_error(&b, "usage");
		else if (!strncmp(table[i].path, "/api", 4)) {
			cJSON *json;

			assert_int_equal(
				runaway_json_parse(body_of(&b), strlen(body_of(&b)), &json, NULL),
				0);
			cJSON_Delete(json);
		}
	}
	server_close(&s);
}

static void test_head_is_get_without_body(void **state _unused_)
{
	static const char *const paths[] = { "/api/v1/incidents", "/healthz", "/", "/nothing" };
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT, head = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *date, *other;

		get(&s, "GET", paths[i], "", &whole);
		get(&s, "HEAD", paths[i], "", &head);
		assert_string_equal(body_of(&head), "");
		strbuf_truncate(&whole, (size_t)(body_of(&whole) - whole.data));
		/* The date may be a second later. */
		date = strstr(whole.data, "Date: ");
		other = strstr(head.data, "Date: ");
		assert_true(date && other);
		memset(date, ' ', 35);
		memset(other, ' ', 35);
		assert_string_equal(whole.data, head.data);
	}
	server_close(&s);
}

static void test_other_methods(void **state _unused_)
{
	static const char *const methods[] = { "POST",	"PUT",	   "DELETE", "PATCH", "OPTIONS",
					       "TRACE", "CONNECT", "get",    "GETS",  "BREW" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		get(&s, methods[i], "/metrics", "", &b);
		if (status_of(&b) != 405)
			fail_msg("%s: %s", methods[i], b.data);
		assert_header(&b, "Allow: GET, HEAD");
		assert_json_error(&b, "method_not_allowed");
	}
	server_close(&s);
}

static void test_negotiation(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, body = STRBUF_INIT;
	struct server s;
	struct expo e;

	server_open(&s, 16, 10);
	get(&s, "GET", "/metrics",
	    "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n", &b);
	assert_header(&b, "Content-Type: application/openmetrics-text; version=1.0.0; "
			  "charset=utf-8");
	assert_header(&b, "Vary: Accept");
	strbuf_adds(&body, body_of(&b));
	expo_parse(&body, true, &e);
	expo_free(&e);
	get(&s, "GET", "/metrics", "Accept: */*\r\n", &b);
	strbuf_reset(&body);
	strbuf_adds(&body, body_of(&b));
	expo_parse(&body, false, &e);
	expo_free(&e);
	server_close(&s);
}

static void test_health_and_readiness(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	s.world.runtime.store_ok = false;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	get(&s, "GET", "/readyz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "store"));
	s.world.runtime.store_ok = true;
	s.world.sensor.stats.scan_last_ns -= 4 * NSEC_PER_SEC;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "three intervals"));
	s.world.sensor.stats.scan_last_ns = 0;
	get(&s, "GET", "/-/ready", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "no scan"));
	/* A restart does not mend where it was started: alive, and never ready. */
	s.world.sensor.features.gaps = 1u << RUNAWAY_GAP_PID_NAMESPACE;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	assert_non_null(strstr(body_of(&b), "never ready"));
	get(&s, "GET", "/readyz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "hostPID: true"));
	/* Scans work, names are missing: not ready either. */
	s.world.sensor.stats.scan_last_ns = runaway_boot_ns();
	s.world.sensor.features.gaps = 1u << RUNAWAY_GAP_NO_CGROUPS;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	assert_string_equal(body_of(&b), "ok\n");
	get(&s, "GET", "/readyz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "hostPath"));
	server_close(&s);
}

static void test_incident_and_page(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct runaway_finding *f;
	char path[128];
	struct server s;
	cJSON *json;

	server_open(&s, 16, 10);
	world_scan_begin(&s.world);
	world_orphan(&s.world, 100, "<script>x", "\"'&\n\x1b[1m", "x", 2);
	world_tick(&s.world);
	world_burn(&s.world, 100, 1, 3);
	f = runaway_engine_findings(s.world.engine);
	assert_non_null(f);
	snprintf(path, sizeof(path), "/api/v1/incidents/%s", f->incident_id);
	get(&s, "GET", path, "", &b);
	assert_int_equal(status_of(&b), 200);
	assert_int_equal(runaway_json_parse(body_of(&b), strlen(body_of(&b)), &json, NULL), 0);
	assert_string_equal(runaway_json_str(json, "schema_version", ""),
			    "runaway_incident_readback_v1");
	cJSON_Delete(json);
	get(&s, "GET", "/", "", &b);
	assert_non_null(strstr(body_of(&b), path));
	assert_non_null(strstr(body_of(&b), "&lt;script&gt;x"));
	assert_null(strstr(body_of(&b), "<script"));
	assert_null(strchr(body_of(&b), '\x1b'));
	assert_non_null(strcasestr(b.data, "Content-Security-Policy: default-src 'none'"));
	server_close(&s);
}

static void test_open_refuses(void **state _unused_)
{
	struct runaway_http_config c = { .max_connections = 4, .timeout_s = 1 };
	struct runaway_http *http = NULL;
	struct server s;

	server_open(&s, 16, 10);
	c.listen_address = "nonsense";
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EINVAL);
	c.listen_address = runaway_http_address(s.http);
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EADDRINUSE);
	c.listen_address = "192.0.2.1:80";
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EADDRNOTAVAIL);
	assert_null(http);
	server_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_head_is_get_without_body),
		cmocka_unit_test(test_other_methods),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_health_and_readiness),
		cmocka_unit_test(test_incident_and_page),
		cmocka_unit_test(test_open_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_OUT_DOCUMENT_FIXTURE_H
#define RUNAWAY_TEST_OUT_DOCUMENT_FIXTURE_H

/* Documents parsed and looked into, and the world of one smoke test gone wrong. */

#include "out/harness.h"

static inline const cJSON *at(const cJSON *o, const char *key)
{
	const cJSON *v = runaway_json_get(o, key);

	if (!v)
		fail_msg("no key %s", key);
	return v;
}

static inline void assert_text(const cJSON *o, const char *key, const char *want)
{
	const cJSON *v = at(o, key);

	assert_true(cJSON_IsString(v));
	assert_string_equal(v->valuestring, want);
}

static inline void assert_number(const cJSON *o, const char *key, double want)
{
	const cJSON *v = at(o, key);

	assert_true(cJSON_IsNumber(v));
	if (v->valuedouble != want)
		fail_msg("%s is %g, not %g", key, v->valuedouble, want);
}

static inline void assert_null_at(const cJSON *o, const char *key)
{
	if (!cJSON_IsNull(at(o, key)))
		fail_msg("%s is not null", key);
}

typedef void (*doc_fn)(const struct runaway_view *v, struct json_writer *w);

static inline cJSON *document(const struct world *w, doc_fn fn)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer j;

	json_init(&j, &b, false);
	fn(&w->view, &j);
	return world_parse(&b);
}

static inline void smoke_world(struct world *w)
{
	static const char origin_args[] = "/bin/sh\0smoke.sh\0";

	world_init(w, 1000, 10);
	world_scan_begin(w);
	world_task(w, (struct task){ .pid = 1, .comm = "init", .flags = RW_TF_NS_INIT });
	world_fork(w, 101, 1, "sh");
	world_exec(w, 101, "smoke.sh", "sh\0bin\0", 7, origin_args, sizeof(origin_args) - 1);
	world_fork(w, 100, 101, "smoke.sh");
	world_exec(w, 100, "chromium", "chromium\0chromium\0lib\0usr\0", 26,
		   "chromium\0\0--headless\0", 21);
	world_exit(w, 101, 9);
	world_reparent(w, 100, 101, 1);
	world_release(w, 101, 0);
	world_fork(w, 103, 100, "chromium");
	world_tick(w);
	world_burn(w, 100, 1, 3);
}

#endif

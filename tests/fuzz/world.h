/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_FUZZ_WORLD_H
#define RUNAWAY_TESTS_FUZZ_WORLD_H

/* All that can be asked of the daemon by the control socket and by HTTP, over the world of the unit
 * tests. */

#include "fuzz/fuzz.h"

#include "out/control_private.h"
#include "out/harness.h"

static int fuzz_reload(void *ctx, char **ret_error)
{
	(void)ctx;
	(void)ret_error;
	return 0;
}

static int fuzz_check(void *ctx, const char *name, const char *text, size_t len, char **ret_error)
{
	(void)ctx;
	return asprintf(ret_error, "%s: %.*s", name, (int)MIN(len, (size_t)64), text) < 0 ? -ENOMEM
											  : -EINVAL;
}

static void fuzz_show(void *ctx, struct json_writer *w)
{
	(void)ctx;
	json_object_begin(w);
	json_object_end(w);
}

static int fuzz_lanes(void *ctx, const char *name, const char *text, size_t len,
		      struct lane_set *ret, char **ret_error)
{
	(void)ctx;
	(void)name;
	(void)text;
	(void)len;
	(void)ret_error;
	return runaway_lane_set_builtin(ret);
}

static void fuzz_call(void *ctx, const struct runaway_call *c)
{
	(void)ctx;
	MUST(c->token && c->method);
}

static const struct runaway_control_ops fuzz_ops = {
	.reload = fuzz_reload,
	.check = fuzz_check,
	.show = fuzz_show,
	.lanes_from = fuzz_lanes,
	.call = fuzz_call,
};

/* One line of a client; each answer is a line of JSON. */
static void fuzz_ask(struct world *w, const char *line, size_t len)
{
	struct control_client c = { .fd = -1, .peer.role = ROLE_OWNER };
	struct control_env env = { .view = &w->view, .ops = &fuzz_ops };
	cJSON *json;

	runaway_control_answer(&env, &c, line, len);
	if (c.waiting)
		runaway_control_answer_later(&c, NULL, "{}");
	MUST(c.out.error == 0 && c.out.len > 0 && c.out.data[c.out.len - 1] == '\n');
	json = cJSON_ParseWithLength(c.out.data, c.out.len);
	MUST(json);
	cJSON_Delete(json);
	cJSON_Delete(c.waiting_id);
	strbuf_free(&c.out);
	free(env.verify_json);
}

#endif

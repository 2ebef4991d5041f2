/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several calls in one verb: each is a request of its own. */
#include <string.h>

#include "cli/cli.h"

static void write_request(struct strbuf *b, const char *method, const char *params)
{
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_uint(&w, "id", 1);
	json_kv_string(&w, "method", method);
	json_key(&w, "params");
	json_raw(&w, params, strlen(params));
	json_object_end(&w);
}

int runaway_cli_ask_method(struct cli *c, const char *method, const char *params,
			   cJSON **ret_answer, const cJSON **ret_result)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	write_request(&line, method, params);
	if (line.error)
		return runaway_cli_fail(c, "failed", "out of memory");
	return runaway_cli_ask_line(c, &line, ret_answer, ret_result);
}

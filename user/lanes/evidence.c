/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "lanes/engine.h"

void runaway_evidence_write(struct json_writer *w, const struct evidence *ev, size_t n)
{
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(w);
		json_kv_string(w, "metric", ev[i].metric);
		json_kv_fixed(w, "value", ev[i].value, 3);
		json_key(w, "limit");
		json_double(w, ev[i].limit);
		json_kv_string(w, "unit", ev[i].unit);
		json_object_end(w);
	}
	json_array_end(w);
}

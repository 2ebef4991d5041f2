/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_PARSE_H
#define RUNAWAY_LANES_PARSE_H

/*
 * Private to the parser's files. Each function returns 0, -EINVAL with the
 * refusal filled in, or -ENOMEM. A value that is not given (NULL) leaves its
 * target alone. Paths are those below the lane.
 */

#include <stdbool.h>

#include "base/json.h"
#include "base/macros.h"
#include "lanes/lane.h"

/* Where a refusal goes. */
struct refusal {
	char **ret_path;
	char **ret_why;
};

/* Fills in the refusal: "what is wrong; what is allowed". Returns -EINVAL or -ENOMEM. */
int runaway_parse_refuse(struct refusal *e, const char *path, const char *fmt, ...) _printf_(3, 4);
/* Refuses the first key of obj that is not in the NULL-terminated list. `prefix`: "" or "match." */
int runaway_parse_keys(struct refusal *e, const cJSON *obj, const char *prefix,
		       const char *const *known);
int runaway_parse_object(struct refusal *e, const cJSON *json, const char *path);
/* Index of the word in the NULL-terminated list. */
int runaway_parse_word(struct refusal *e, const cJSON *json, const char *path,
		       const char *const *words, unsigned int *ret);
int runaway_parse_bool(struct refusal *e, const cJSON *json, const char *path, bool *ret);
/* Both ends of the range included; `allowed` says it in words. */
int runaway_parse_number(struct refusal *e, const cJSON *json, const char *path, double min,
			 double max, const char *allowed, double *ret);

/* l->subject stands already. */
int runaway_parse_match(struct refusal *e, const cJSON *json, struct lane *l);
/* "trigger" and "clear" of the lane; l->subject stands already. */
int runaway_parse_limits(struct refusal *e, const cJSON *lane, struct lane *l);

#endif

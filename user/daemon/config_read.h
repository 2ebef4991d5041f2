/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_CONFIG_READ_H
#define RUNAWAY_DAEMON_CONFIG_READ_H

/*
 * Private to the configuration's files: one document being read. Every function
 * returns 0, -EINVAL with r->error set, or -ENOMEM. A key that is not given
 * leaves its target alone.
 */

#include <stdarg.h>

#include "base/json.h"
#include "base/macros.h"
#include "daemon/config.h"

struct reader {
	const char *name; /* of the file, for messages */
	const char *text; /* stripped of comments */
	size_t len;
	char *error; /* owned */
};

/* "FILE:LINE: path: what; what is allowed". An empty path stands for the document. */
int config_refuse(struct reader *r, const char *path, const char *fmt, ...) _printf_(3, 4);
/* The same with a line that is known already; 0: none. */
int config_refuse_at(struct reader *r, unsigned int line, const char *path, const char *fmt, ...)
	_printf_(4, 5);

/* The member must be an object with known keys only. *ret NULL when it is not given. */
int config_section(struct reader *r, const cJSON *root, const char *key, const char *const *known,
		   const cJSON **ret);
/* Refuses keys that are not in the NULL-terminated list; path "" is the document. */
int config_known_keys(struct reader *r, const cJSON *obj, const char *path,
		      const char *const *known);

struct string_rule {
	size_t max;   /* bytes */
	bool null_ok; /* null means "off" */
	bool empty_ok;
	const char *allowed;	      /* in words */
	bool (*valid)(const char *s); /* NULL: anything without control characters */
};
int config_string(struct reader *r, const cJSON *obj, const char *path,
		  const struct string_rule *rule, char **ret);
/* A whole number. The last part of path is the key in obj. */
int config_uint(struct reader *r, const cJSON *obj, const char *path, uint32_t min, uint32_t max,
		const char *unit, uint32_t *ret);
int config_bool(struct reader *r, const cJSON *obj, const char *path, bool *ret);
/* Replaces the list. */
int config_strings(struct reader *r, const cJSON *obj, const char *path, size_t max_count,
		   const struct string_rule *rule, struct string_list *ret);
/* "lanes" and the like: must be an array when given. */
int config_array(struct reader *r, const cJSON *obj, const char *path, size_t max_count,
		 const char *allowed, const cJSON **ret);

/* A whole document over what *c has, which may be changed on failure, too. */
int config_read_all(struct reader *r, const cJSON *root, struct config *c);
/* Sections with a file of their own. `root` is the document. */
int config_read_lanes(struct reader *r, const cJSON *root, struct lane_set *ret);
int config_read_roles(struct reader *r, const cJSON *root, struct config *c);
int config_read_gate(struct reader *r, const cJSON *root, struct gate_config *ret);
void config_gate_defaults(struct gate_config *ret);
void config_gate_free(struct gate_config *g);
/* "ADDR:PORT" with an IPv4 address, or an IPv6 one in brackets. */
bool config_valid_address(const char *s);

/* Text to a tree: encoding, size, depth, duplicates, comments. Strips comments in place. */
int config_document(struct reader *r, char *text, size_t len, cJSON **ret);

void config_string_list_free(struct string_list *l);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_CONFIG_H
#define RUNAWAY_DAEMON_CONFIG_H

/*
 * The configuration file: JSON with comments. Anything that is not understood
 * is an error with file, line, key path and what is allowed. docs/configuration.md
 * lists every key.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "lanes/lane.h"

#define RUNAWAY_CONFIG_MAX_BYTES (1024 * 1024)

/* A NULL-terminated list of strings. */
struct string_list {
	char **item;
	size_t count;
};

struct role_rule {
	char *user, *group; /* one of them set */
};
struct role_list {
	struct role_rule *rule;
	size_t count;
};

/* An approver's public key. */
struct gate_key {
	char *owner;
	char *public_hex; /* 64 lower-case hex digits of Ed25519 */
};

/* A look at a service before and after a signal; it only reads. */
struct health_check {
	char *name;
	char *address; /* "127.0.0.1:80": loopback only */
	char *path;    /* of an HTTP GET that has to answer 2xx; NULL: a connect is enough */
};

struct gate_config {
	bool enabled;		   /* false */
	bool two_person;	   /* true: who asked for the plan may not approve it */
	bool require_signature;	   /* true where keys are configured */
	bool require_kernel_guard; /* false */
	bool require_clock_sync;   /* false */
	struct gate_key *key;
	size_t key_count;
	struct string_list protected_; /* more globs of comm or exe, never signalled */
	struct health_check *health;
	size_t health_count;
	uint32_t plan_max_age_s;     /* 900; 60..86400 */
	uint32_t window_max_s;	     /* 14400; 60..604800 */
	uint32_t approval_max_age_s; /* 86400; 60..604800 */
	uint32_t grace_s;	     /* 10; 1..600 */
	uint32_t budget_per_hour;    /* 4; 1..100 */
	uint32_t settle_s;	     /* 60; 0..3600 */
	uint32_t clock_tolerance_ms; /* 2000; 10..60000 */
};

struct config {
	char *host_label;	     /* default: the host's name */
	char *env;		     /* default "production" */
	uint32_t sample_interval_ms; /* 1000; 100..60000 */
	struct {
		char *listen_address;	  /* "127.0.0.1:10917"; "" switches HTTP off */
		char *config_file;	  /* NULL */
		uint32_t max_connections; /* 64; 1..1024 */
		uint32_t timeout_s;	  /* 10; 1..300 */
	} web;
	struct {
		char *path;	     /* NULL: off; a folder gets host_runaway_process.prom */
		uint32_t interval_s; /* 15; 1..3600 */
	} textfile;
	struct {
		uint32_t processes;	/* 65536; 64..4194304 */
		uint32_t cgroups;	/* 8192; 16..1048576 */
		uint32_t metric_series; /* 200 cgroups with a series of their own; 1..100000 */
	} limits;
	struct string_list redact;     /* globs of argument names */
	struct string_list ci_markers; /* more names for the allow-list */
	struct string_list by_design;  /* more globs of comm or exe */
	struct lane_set lanes;	       /* built-in ones merged with the file's */
	struct gate_config gate;
	struct {
		struct role_list owner, operator_, viewer;
	} roles;
	struct {
		char *backend; /* "jsonl" */
	} store;
};

void config_free(struct config *c);
/* Built-in defaults. 0 or -ENOMEM. */
int config_defaults(struct config *ret);
/*
 * Reads text (len bytes, changed in place by comment stripping) over the defaults. Returns 0;
 * -EINVAL with *ret_error (malloc'ed): "FILE:LINE: key.path: what is wrong; what is allowed".
 * `name` is only used in messages. *ret is untouched on failure.
 */
int config_parse(const char *name, char *text, size_t len, struct config *ret, char **ret_error);
/* Reads a file. -ENOENT, -EFBIG, -EINVAL …, always with *ret_error. */
int config_load(const char *path, struct config *ret, char **ret_error);
/*
 * Lanes as `lane test` takes them: a configuration with "lanes", an array of lanes, or one lane.
 * Only the lanes that the text names are in *ret. As config_parse() in everything else.
 */
int config_parse_lanes(const char *name, char *text, size_t len, struct lane_set *ret,
		       char **ret_error);
/* The configuration in force, every key, in the file's own form. */
void config_write(struct json_writer *w, const struct config *c);
/* The section alone, as an object. */
void config_gate_write(struct json_writer *w, const struct gate_config *g);

#endif

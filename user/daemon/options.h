/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_OPTIONS_H
#define RUNAWAY_DAEMON_OPTIONS_H

/* The command line of runawayd. Flags beat the configuration file. */

#include <stdbool.h>

#include "base/log.h"

#define RUNAWAY_DEFAULT_CONFIG_DIR "/etc/runawayd"
#define RUNAWAY_DEFAULT_CONFIG	   "/etc/runawayd/runawayd.json"
#define RUNAWAY_DEFAULT_STATE	   "/var/lib/runawayd"
#define RUNAWAY_DEFAULT_RUNTIME	   "/run/runawayd"
#define RUNAWAY_DEFAULT_PIN	   "/sys/fs/bpf/runawayd"

/* Exit codes, the same in every program: docs/cli.md. */
enum runaway_exit {
	RUNAWAY_EXIT_OK = 0,
	RUNAWAY_EXIT_FAILED = 1,
	RUNAWAY_EXIT_USAGE = 2,
	RUNAWAY_EXIT_DENIED = 3,
	RUNAWAY_EXIT_GATE = 4,
	RUNAWAY_EXIT_NOT_FOUND = 5,
};

enum run_mode {
	MODE_RUN,
	MODE_CHECK_CONFIG,
	MODE_BUILTIN_LANES,
	MODE_REPLAY,
	MODE_UNLOAD,
	MODE_VERSION,
	MODE_HELP,
};

/* Strings point into argv. */
struct options {
	enum run_mode mode;
	const char *config; /* NULL: the default path if it exists, else built-in defaults */
	const char *state_dir, *runtime_dir;
	const char *pin_dir;	    /* NULL: nothing is pinned */
	const char *listen_address; /* NULL: the configuration's */
	const char *web_config;	    /* NULL: the configuration's */
	const char *textfile;	    /* NULL: the configuration's */
	const char *host_label;	    /* NULL: the configuration's */
	const char *record, *replay, *check;
	const char *proc_root, *cgroup_root;
	unsigned int without; /* enum runaway_optional */
	const char *user; /* whose rights it keeps; NULL: runawayd if there is one, else nobody */
	bool log_json;
	enum runaway_log_level log_level;
};

/* 0, or -EINVAL after a message on stderr. */
int options_parse(int argc, char **argv, struct options *ret);
void options_usage(void);

#endif

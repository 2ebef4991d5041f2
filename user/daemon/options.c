// SPDX-License-Identifier: GPL-2.0-or-later

#include "daemon/options.h"

#include <getopt.h>
#include <string.h>

#include "sensor/sensor.h"

enum option_id {
	OPT_CONFIG = 256,
	OPT_STATE_DIR,
	OPT_RUNTIME_DIR,
	OPT_PIN_DIR,
	OPT_LISTEN,
	OPT_WEB_CONFIG,
	OPT_TEXTFILE,
	OPT_RECORD,
	OPT_PROC_ROOT,
	OPT_CGROUP_ROOT,
	OPT_LOG_FORMAT,
	OPT_LOG_LEVEL,
	OPT_USER,
	OPT_HOST_LABEL,
	OPT_WITHOUT,
	OPT_CHECK_CONFIG,
	OPT_BUILTIN_LANES,
	OPT_REPLAY,
	OPT_UNLOAD,
};

/* Name, argument and help of every option, in the order of the help. */
static const struct {
	const char *name;
	const char *arg; /* NULL: takes none */
	int id;
	const char *help;
} table[] = {
	{ "config", "FILE", OPT_CONFIG,
	  "configuration (" RUNAWAY_DEFAULT_CONFIG ", if it exists)" },
	{ "state-dir", "DIR", OPT_STATE_DIR, "incidents (" RUNAWAY_DEFAULT_STATE ")" },
	{ "runtime-dir", "DIR", OPT_RUNTIME_DIR,
	  "control socket and journal (" RUNAWAY_DEFAULT_RUNTIME ")" },
	{ "pin-dir", "DIR", OPT_PIN_DIR,
	  "pin programs and maps here, to go on over a restart (not pinned)" },
	{ "web.listen-address", "ADDR:PORT", OPT_LISTEN, "metrics and API (127.0.0.1:10917)" },
	{ "web.config.file", "FILE", OPT_WEB_CONFIG,
	  "TLS and who may read: docs/configuration.md" },
	{ "textfile", "FILE", OPT_TEXTFILE, "also write the metrics to a file or folder" },
	{ "record", "FILE", OPT_RECORD, "record what the kernel says" },
	{ "proc-root", "DIR", OPT_PROC_ROOT, "where the host's procfs is (/proc)" },
	{ "cgroup-root", "DIR", OPT_CGROUP_ROOT, "where cgroups are mounted (/sys/fs/cgroup)" },
	{ "host-label", "NAME", OPT_HOST_LABEL, "name of this host (its hostname)" },
	{ "user", "NAME", OPT_USER, "run as (runawayd if there is one, else nobody)" },
	{ "without", "fentry,hot", OPT_WITHOUT,
	  "leave out what this kernel offers, use the fallback" },
	{ "log-format", "text|json", OPT_LOG_FORMAT, "log on stderr (text)" },
	{ "log-level", "LEVEL", OPT_LOG_LEVEL, "error, warning, info or debug (info)" },
	{ "check-config", "FILE", OPT_CHECK_CONFIG, "validate a configuration and exit" },
	{ "builtin-lanes", NULL, OPT_BUILTIN_LANES,
	  "print the built-in lanes, as a configuration has them, and exit" },
	{ "replay", "FILE", OPT_REPLAY, "play a recording, print findings and incidents" },
	{ "unload", NULL, OPT_UNLOAD,
	  "remove pinned programs and maps, and the journal, and exit" },
	{ "version", NULL, 'V', "version, and what this kernel offers" },
	{ "help", NULL, 'h', "this text" },
};

void options_usage(void)
{
	char left[64];

	printf("Usage: runawayd [OPTION…]\n"
	       "Watches for orphaned processes that burn CPU.\n\nOptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		snprintf(left, sizeof(left), "--%s%s%s", table[i].name, table[i].arg ? " " : "",
			 table[i].arg ? table[i].arg : "");
		printf("  %-32s %s\n", left, table[i].help);
	}
}

static int usage_error(const char *fmt, const char *value)
{
	fprintf(stderr, "runawayd: ");
	fprintf(stderr, fmt, value);
	fprintf(stderr, "\nTry 'runawayd --help'.\n");
	return -EINVAL;
}

static int set_log(struct options *o, int id, const char *arg)
{
	if (id == OPT_LOG_LEVEL) {
		if (runaway_log_parse_level(arg, &o->log_level) < 0)
			return usage_error("--log-level %s: use error, warning, info or debug",
					   arg);
		return 0;
	}
	if (strcmp(arg, "text") != 0 && strcmp(arg, "json") != 0)
		return usage_error("--log-format %s: use text or json", arg);
	o->log_json = strcmp(arg, "json") == 0;
	return 0;
}

static int set_one(struct options *o, int id, const char *arg)
{
	if (arg && !*arg)
		return usage_error("an option has an empty value%s", arg);
	switch (id) {
	case OPT_CONFIG:
		o->config = arg;
		return 0;
	case OPT_STATE_DIR:
		o->state_dir = arg;
		return 0;
	case OPT_RUNTIME_DIR:
		o->runtime_dir = arg;
		return 0;
	case OPT_PIN_DIR:
		o->pin_dir = arg;
		return 0;
	case OPT_LISTEN:
		o->listen_address = arg;
		return 0;
	case OPT_WEB_CONFIG:
		o->web_config = arg;
		return 0;
	case OPT_TEXTFILE:
		o->textfile = arg;
		return 0;
	case OPT_RECORD:
		o->record = arg;
		return 0;
	case OPT_PROC_ROOT:
		o->proc_root = arg;
		return 0;
	case OPT_CGROUP_ROOT:
		o->cgroup_root = arg;
		return 0;
	case OPT_HOST_LABEL:
		/* As in the configuration. */
		if (strlen(arg) > 128)
			return usage_error("--host-label %s: 1 to 128 bytes", arg);
		o->host_label = arg;
		return 0;
	case OPT_USER:
		o->user = arg;
		return 0;
	case OPT_WITHOUT:
		if (runaway_features_parse_without(arg, &o->without) < 0)
			return usage_error("--without %s: use fentry, hot or both with a comma",
					   arg);
		return 0;
	case OPT_LOG_FORMAT:
	case OPT_LOG_LEVEL:
		return set_log(o, id, arg);
	case OPT_CHECK_CONFIG:
		o->mode = MODE_CHECK_CONFIG;
		o->check = arg;
		return 0;
	case OPT_BUILTIN_LANES:
		o->mode = MODE_BUILTIN_LANES;
		return 0;
	case OPT_REPLAY:
		o->mode = MODE_REPLAY;
		o->replay = arg;
		return 0;
	case OPT_UNLOAD:
		o->mode = MODE_UNLOAD;
		return 0;
	case 'V':
		o->mode = MODE_VERSION;
		return 0;
	case 'h':
		o->mode = MODE_HELP;
		return 0;
	default:
		fprintf(stderr, "Try 'runawayd --help'.\n");
		return -EINVAL;
	}
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option longopts[ARRAY_SIZE(table) + 1] = { 0 };
	struct options o = {
		.state_dir = RUNAWAY_DEFAULT_STATE,
		.runtime_dir = RUNAWAY_DEFAULT_RUNTIME,
		.proc_root = "/proc",
		.cgroup_root = "/sys/fs/cgroup",
		.log_level = RUNAWAY_LOG_INFO,
	};
	int id, r;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		longopts[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].arg ? required_argument : no_argument,
			.val = table[i].id,
		};
	while ((id = getopt_long(argc, argv, "Vh", longopts, NULL)) != -1) {
		r = set_one(&o, id, optarg);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return usage_error("unexpected argument %s", argv[optind]);
	*ret = o;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* runawayd: an eBPF sensor for processes that run away. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "daemon/daemon.h"

static int show_version(void)
{
	struct runaway_features f = { 0 };
	int r = runaway_features_probe(&f);

	printf("runawayd %s (%s)\n", RUNAWAY_VERSION, RUNAWAY_COMMIT);
	if (r < 0) {
		printf("kernel features: not known: %s\n", runaway_strerror(r));
		return RUNAWAY_EXIT_OK;
	}
	printf("libbpf %s, kernel %s\n", f.libbpf, f.release);
	printf("BTF: %s\n", f.btf ? "yes" : "no");
	printf("task walk: %s\n", f.scan);
	printf("reparenting: %s%s%s%s\n", f.reparent_hook, *f.why_no_fentry ? " (" : "",
	       f.why_no_fentry, *f.why_no_fentry ? ")" : "");
	return RUNAWAY_EXIT_OK;
}

static int check_config(const char *path)
{
	struct runaway_web_config *web = NULL;
	_cleanup_free_ char *error = NULL;
	struct config c;
	int r;

	r = config_load(path, &c, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : runaway_strerror(r));
		return RUNAWAY_EXIT_USAGE;
	}
	if (c.web.config_file)
		r = runaway_web_config_read(c.web.config_file, &web, &error);
	runaway_web_config_free(web);
	config_free(&c);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : runaway_strerror(r));
		return RUNAWAY_EXIT_USAGE;
	}
	printf("%s: ok\n", path);
	return RUNAWAY_EXIT_OK;
}

static int show_builtin_lanes(void)
{
	_cleanup_(runaway_lane_set_free) struct lane_set lanes = { 0 };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	if (runaway_lane_set_builtin(&lanes) < 0)
		return RUNAWAY_EXIT_FAILED;
	json_init(&w, &b, true);
	runaway_doc_lanes(&lanes, NULL, &w);
	if (b.error || !b.len)
		return RUNAWAY_EXIT_FAILED;
	puts(b.data);
	return RUNAWAY_EXIT_OK;
}

/* The journal of a runtime folder. -ENOENT: there is none. */
static int unload_journal(const char *runtime_dir)
{
	_cleanup_close_ int fd = open(runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : runaway_journal_remove(fd);
}

static int unload(const struct options *opt)
{
	const char *pin_dir = opt->pin_dir ? opt->pin_dir : RUNAWAY_DEFAULT_PIN;
	int r = runaway_sensor_unload(pin_dir), j;

	if (r == -EINVAL)
		return RUNAWAY_EXIT_USAGE;
	if (r == -EBUSY)
		return RUNAWAY_EXIT_FAILED;
	if (r < 0 && r != -ENOENT) {
		log_error_errno(r, "cannot unload");
		return r == -EACCES || r == -EPERM ? RUNAWAY_EXIT_DENIED : RUNAWAY_EXIT_FAILED;
	}
	/* What it tells of belongs to what was unloaded. A running daemon's stays its own. */
	j = unload_journal(opt->runtime_dir);
	if (j < 0 && j != -ENOENT && j != -EBUSY)
		log_warning_errno(j, "cannot remove the journal in %s", opt->runtime_dir);
	printf(r == 0 || j == 0 ? "removed\n" : "nothing was pinned\n");
	return RUNAWAY_EXIT_OK;
}

static int run(const struct options *opt)
{
	struct daemon d;
	int code;

	if (daemon_setup(&d, opt, &code) == 0)
		code = daemon_loop(&d);
	daemon_teardown(&d);
	return code;
}

static int do_mode(const struct options *opt)
{
	switch (opt->mode) {
	case MODE_HELP:
		options_usage();
		return RUNAWAY_EXIT_OK;
	case MODE_VERSION:
		return show_version();
	case MODE_CHECK_CONFIG:
		return check_config(opt->check);
	case MODE_BUILTIN_LANES:
		return show_builtin_lanes();
	case MODE_REPLAY:
		return daemon_replay(opt);
	case MODE_UNLOAD:
		return unload(opt);
	case MODE_RUN:
		return run(opt);
	}
	return RUNAWAY_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options opt;
	int code;

	if (options_parse(argc, argv, &opt) < 0)
		return RUNAWAY_EXIT_USAGE;
	runaway_log_set_level(opt.log_level);
	runaway_log_set_json(opt.log_json);
	if (runaway_digest_init() < 0)
		return RUNAWAY_EXIT_FAILED;
	code = do_mode(&opt);
	/* What was asked for and could not be told is no success. A daemon tells nothing here. */
	if (opt.mode != MODE_RUN && (fflush(stdout) != 0 || ferror(stdout)) &&
	    code == RUNAWAY_EXIT_OK)
		code = RUNAWAY_EXIT_FAILED;
	return code;
}

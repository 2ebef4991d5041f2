// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking a configuration over: read, validate, swap, watch one interval, keep
 * or go back. What cannot change while running is said.
 */

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/daemon.h"

void daemon_override(const struct options *opt, struct config *c)
{
	char *p;

	if (opt->host_label && (p = strdup(opt->host_label))) {
		free(c->host_label);
		c->host_label = p;
	}
	if (opt->listen_address && (p = strdup(opt->listen_address))) {
		free(c->web.listen_address);
		c->web.listen_address = p;
	}
	if (opt->web_config && (p = strdup(opt->web_config))) {
		free(c->web.config_file);
		c->web.config_file = p;
	}
	if (opt->textfile && (p = strdup(opt->textfile))) {
		free(c->textfile.path);
		c->textfile.path = p;
	}
}

/* No file was named and none is there. */
static int use_defaults(struct daemon *d, struct config *ret)
{
	int r = config_defaults(ret);

	if (r == 0)
		daemon_override(d->opt, ret);
	return r;
}

int daemon_load_config(struct daemon *d, struct config *ret, char **ret_error)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct config c;
	int r;

	if (!d->config_name)
		return use_defaults(d, ret);
	r = runaway_read_file(d->config_dir_fd, d->config_name, RUNAWAY_CONFIG_MAX_BYTES, &b);
	if (r == -ENOENT && !d->opt->config)
		return use_defaults(d, ret);
	if (r < 0) {
		if (asprintf(ret_error, "%s: cannot be read by uid %u: %s", d->runtime.config_path,
			     geteuid(), runaway_strerror(r)) < 0)
			*ret_error = NULL;
		return r;
	}
	r = config_parse(d->runtime.config_path, b.data ? b.data : (char[]){ "" }, b.len, &c,
			 ret_error);
	if (r < 0)
		return r;
	daemon_override(d->opt, &c);
	*ret = c;
	return 0;
}

int daemon_make_markers(struct daemon *d, const struct config *c)
{
	const char *const *builtin = runaway_ci_marker_names();
	size_t n = 0, i;
	const char **all;

	while (builtin[n])
		n++;
	all = calloc(n + c->ci_markers.count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		all[i] = builtin[i];
	for (i = 0; i < c->ci_markers.count; i++)
		all[n + i] = c->ci_markers.item[i];
	free(d->marker_names);
	d->marker_names = all;
	return 0;
}

void daemon_model_config(const struct config *c, struct runaway_model_config *ret)
{
	/* The lists are NULL-terminated by the configuration's own contract. */
	*ret = (struct runaway_model_config){
		.limits = { .processes = c->limits.processes,
			    .cgroups = c->limits.cgroups,
			    .series = c->limits.metric_series },
		.redact = (const char *const *)c->redact.item,
		.by_design = (const char *const *)c->by_design.item,
		.ci_markers = (const char *const *)c->ci_markers.item,
	};
}

static int apply(struct daemon *d, const struct config *c)
{
	struct runaway_model_config mc;
	int r;

	daemon_model_config(c, &mc);
	r = runaway_model_configure(d->model, &mc);
	if (r == 0)
		r = daemon_apply_lanes(d->engine, &c->lanes);
	if (r == 0)
		r = daemon_make_markers(d, c);
	if (r == 0)
		r = runaway_sensor_set_markers(d->sensor, d->marker_names);
	if (r < 0)
		return r;
	d->runtime.interval_ns = c->sample_interval_ms * NSEC_PER_MSEC;
	return 0;
}

static bool differs(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

/* In its written form: no key is forgotten. */
static char *written(const struct gate_config *g)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	config_gate_write(&w, g);
	return strbuf_take(&b);
}

static bool gate_differs(const struct gate_config *old, const struct gate_config *new)
{
	_cleanup_free_ char *a = written(old), *b = written(new);

	return differs(a, b);
}

static void say_what_waits(const struct config *old, const struct config *new)
{
	if (differs(old->host_label, new->host_label) || differs(old->env, new->env))
		log_warning("configuration: `host_label` and `env` take effect at the next start");
	if (differs(old->web.listen_address, new->web.listen_address) ||
	    differs(old->web.config_file, new->web.config_file) ||
	    old->web.max_connections != new->web.max_connections ||
	    old->web.timeout_s != new->web.timeout_s)
		log_warning("configuration: `web` takes effect at the next start");
	if (gate_differs(&old->gate, &new->gate))
		log_warning(
			"configuration: `gate` takes effect at the next start, but for `grace_s` "
			"and `health_checks`");
	if (differs(old->textfile.path, new->textfile.path))
		log_warning("configuration: `textfile.path` takes effect at the next start");
	if (old->limits.processes != new->limits.processes ||
	    old->limits.cgroups != new->limits.cgroups)
		log_warning("configuration: the kernel maps keep their size until the next start");
}

int daemon_reload(struct daemon *d, char **ret_error)
{
	struct config c;
	int r;

	r = daemon_load_config(d, &c, ret_error);
	if (r < 0) {
		d->runtime.config_last_reload_ok = 0;
		log_error("configuration refused, the last good one stays: %s",
			  *ret_error ? *ret_error : runaway_strerror(r));
		return r;
	}
	if (d->on_trial)
		config_free(&d->previous);
	d->previous = d->config;
	d->config = c;
	d->on_trial = true;
	r = apply(d, &d->config);
	if (r < 0) {
		daemon_judge_reload(d, false);
		if (asprintf(ret_error, "cannot be applied: %s", runaway_strerror(r)) < 0)
			*ret_error = NULL;
		return r;
	}
	say_what_waits(&d->previous, &d->config);
	d->runtime.config_last_reload_ok = 1;
	d->runtime.config_last_reload_realtime_ns = runaway_real_ns();
	log_info("configuration reloaded");
	return 0;
}

void daemon_judge_reload(struct daemon *d, bool tick_ok)
{
	if (!d->on_trial)
		return;
	d->on_trial = false;
	if (tick_ok) {
		config_free(&d->previous);
		return;
	}
	log_error("the new configuration did not stand its first interval: back to the last one");
	d->runtime.config_last_reload_ok = 0;
	apply(d, &d->previous);
	config_free(&d->config);
	d->config = d->previous;
}

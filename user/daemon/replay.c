// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recording through the model, the lanes and the incidents, without
 * privilege, kernel or clock: the same bytes every time.
 */

#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

struct replay {
	struct config config;
	struct runaway_model *model;
	struct lane_engine *engine;
	struct incident_store *store;
	int error;
};

static void print_line(struct strbuf *b)
{
	strbuf_addc(b, '\n');
	if (!b->error)
		fwrite(b->data, 1, b->len, stdout);
}

static void print_finding(struct replay *rp, const struct runaway_finding *f, const char *what,
			  const char *why)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "record", "finding");
	json_kv_string(&w, "event", what);
	json_kv_time(&w, "at", runaway_model_realtime(rp->model, runaway_model_now(rp->model)));
	json_kv_string(&w, "lane_id", f->lane->lane_id);
	json_kv_string(&w, "subject", f->subject.key);
	json_kv_string(&w, "incident_id", f->incident_id);
	if (why)
		json_kv_string(&w, "why", why);
	json_key(&w, "evidence");
	runaway_evidence_write(&w, f->evidence, f->evidence_count);
	json_object_end(&w);
	print_line(&b);
}

static void on_opened(void *ctx, struct runaway_finding *f)
{
	struct replay *rp = ctx;
	struct incident *i;

	if (runaway_incident_open(rp->store, f, rp->model, &i) == 0)
		snprintf(f->incident_id, sizeof(f->incident_id), "%s", i->incident_id);
	print_finding(rp, f, "opened", NULL);
}

static void on_ended(void *ctx, struct runaway_finding *f, enum finding_end why)
{
	struct replay *rp = ctx;

	runaway_incident_self_clear(rp->store, f->incident_id, why, rp->model);
	print_finding(rp, f, "ended", runaway_finding_end_name(why));
}

static void on_line(void *ctx, const char *file, const char *line)
{
	(void)ctx;
	printf("{\"record\":\"%s\",\"line\":%s}\n",
	       strcmp(file, "events.jsonl") == 0 ? "event" : "incident", line);
}

static int open_store(struct replay *rp, const struct rw_meta *meta)
{
	struct incident_store_config c = {
		.state_dir = ".",
		.host_label = meta->host,
		.env = rp->config.env,
		.boot_id = meta->boot_id,
		.memory_only = true,
	};
	int r = runaway_store_open(&c, &rp->store);

	if (r == 0)
		runaway_store_on_line(rp->store, on_line, rp);
	return r;
}

static void sink(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct replay *rp = ctx;
	struct runaway_finding *f;

	if (rp->error)
		return;
	runaway_model_apply(rp->model, rec, len);
	if (rec->type == RW_META && !rp->store)
		rp->error = open_store(rp, runaway_model_meta(rp->model));
	if (rec->type != RW_TICK || !rp->store)
		return;
	runaway_engine_tick(rp->engine, rp->model);
	for (f = runaway_engine_findings(rp->engine); f; f = f->hh.next)
		runaway_incident_observe(rp->store, f, rp->model);
}

static int replay_config(struct replay *rp, const struct options *opt)
{
	_cleanup_free_ char *error = NULL;
	int r;

	r = opt->config ? config_load(opt->config, &rp->config, &error)
			: config_defaults(&rp->config);
	if (r < 0)
		fprintf(stderr, "%s\n", error ? error : runaway_strerror(r));
	return r;
}

static int play(struct replay *rp, const char *path)
{
	static const struct lane_engine_ops ops = { .opened = on_opened, .ended = on_ended };
	struct runaway_model_config mc;
	uint64_t offset = 0;
	int r;

	daemon_model_config(&rp->config, &mc);
	r = runaway_model_new(&mc, &rp->model);
	if (r == 0)
		r = runaway_engine_new(&ops, rp, &rp->engine);
	if (r == 0)
		r = daemon_apply_lanes(rp->engine, &rp->config.lanes);
	if (r < 0)
		return log_error_errno(r, "cannot set up the replay");
	r = runaway_recording_play(path, sink, rp, &offset);
	if (rp->error)
		return log_error_errno(rp->error, "replay of %s", path);
	if (r == -EBADMSG)
		log_error("%s: not a recording, or damaged at byte %llu", path,
			  (unsigned long long)offset);
	else if (r == -ENODATA)
		log_warning("%s: cut off at byte %llu; everything before was played", path,
			    (unsigned long long)offset);
	else if (r < 0)
		log_error_errno(r, "%s", path);
	return r == -ENODATA ? 0 : r;
}

int daemon_replay(const struct options *opt)
{
	struct replay rp = { 0 };
	int r;

	r = replay_config(&rp, opt);
	if (r < 0)
		return RUNAWAY_EXIT_USAGE;
	r = play(&rp, opt->replay);
	runaway_engine_free(rp.engine);
	runaway_store_close(rp.store);
	runaway_model_free(rp.model);
	config_free(&rp.config);
	if (fflush(stdout) != 0)
		r = -errno;
	if (r == -EBADMSG || r == -ENOENT)
		return RUNAWAY_EXIT_USAGE;
	return r < 0 ? RUNAWAY_EXIT_FAILED : RUNAWAY_EXIT_OK;
}

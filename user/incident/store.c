/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store as a whole: opening, closing, writing what is queued, counting, finding. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/macros.h"
#include "incident/internal.h"

/* An incident that nobody touched for this long although its finding is over is stuck. */
#define STUCK_NS (UINT64_C(3600) * NSEC_PER_SEC)

static int take_lock(struct incident_store *s)
{
	_cleanup_free_ char *path = runaway_path_join(s->state_dir, "lock");

	if (!path)
		return -ENOMEM;
	s->lock_fd = s->ops->open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (s->lock_fd < 0)
		return -errno;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int prepare_folders(struct incident_store *s)
{
	_cleanup_free_ char *incidents = runaway_path_join(s->state_dir, "incidents");
	int err;

	if (!incidents)
		return -ENOMEM;
	err = s->ops->mkdir_p(s->state_dir, 0750);
	if (err < 0)
		return err;
	err = take_lock(s);
	return err < 0 ? err : s->ops->mkdir_p(incidents, 0750);
}

static int open_files(struct incident_store *s)
{
	int err = prepare_folders(s);

	for (int n = 0; err == 0 && n < LOG_COUNT; n++) {
		s->log[n].path = runaway_path_join(s->state_dir, incident_log_names[n]);
		if (!s->log[n].path)
			err = -ENOMEM;
	}
	if (err == 0)
		err = incident_load(s);
	/* A full disk must not keep the sensor from working: recovery is tried at each flush. */
	for (int n = 0; err == 0 && n < LOG_COUNT; n++)
		if (incident_log_recover(&s->log[n], s->ops) < 0) {
			s->write_errors++;
			s->degraded = true;
		}
	return err == 0 ? incident_reconcile(s) : err;
}

static int copy_config(struct incident_store *s, const struct incident_store_config *c)
{
	s->state_dir = strdup(c->state_dir ? c->state_dir : "");
	s->host_label = strdup(c->host_label ? c->host_label : "");
	s->env = strdup(c->env ? c->env : "");
	if (!s->state_dir || !s->host_label || !s->env)
		return -ENOMEM;
	snprintf(s->boot_id, sizeof(s->boot_id), "%s", c->boot_id ? c->boot_id : "");
	s->memory_only = c->memory_only;
	s->opening_realtime_ns = c->opening_realtime_ns;
	return 0;
}

static void close_storep(struct incident_store **s)
{
	runaway_store_close(*s);
}

int incident_store_open_on(const struct incident_store_config *c, const struct disk_ops *ops,
			   struct incident_store **ret)
{
	_cleanup_(close_storep) struct incident_store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->lock_fd = s->log[LOG_INCIDENTS].fd = s->log[LOG_EVENTS].fd = -1;
	s->pending_end = &s->pending;
	s->next_seq = 1;
	s->chain_ok = true;
	strcpy(s->chain_head, RUNAWAY_CHAIN_START);
	err = runaway_digest_init();
	if (err == 0)
		err = copy_config(s, c);
	if (err == 0 && !s->memory_only)
		err = open_files(s);
	if (err < 0)
		return err;
	*ret = TAKE_PTR(s);
	return 0;
}

int runaway_store_open(const struct incident_store_config *c, struct incident_store **ret)
{
	return incident_store_open_on(c, &incident_disk_libc, ret);
}

static void free_tables(struct incident_store *s)
{
	struct incident *i, *next_incident;
	struct lane_count *l, *next_lane;
	struct pending_line *p;

	HASH_ITER (hh, s->incidents, i, next_incident) {
		HASH_DEL(s->incidents, i);
		incident_record_free(incident_record_of(i));
	}
	HASH_ITER (hh, s->lanes, l, next_lane) {
		HASH_DEL(s->lanes, l);
		free(l);
	}
	while ((p = s->pending)) {
		s->pending = p->next;
		free(p);
	}
}

void runaway_store_close(struct incident_store *s)
{
	if (!s)
		return;
	runaway_store_flush(s);
	free_tables(s);
	for (int n = 0; n < LOG_COUNT; n++) {
		if (s->log[n].fd >= 0)
			close(s->log[n].fd);
		free(s->log[n].path);
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->state_dir);
	free(s->host_label);
	free(s->env);
	free(s);
}

void runaway_store_on_line(struct incident_store *s, incident_line_fn fn, void *ctx)
{
	s->on_line = fn;
	s->on_line_ctx = ctx;
}

static int write_pending(struct incident_store *s)
{
	struct pending_line *p;

	for (int n = 0; n < LOG_COUNT; n++) {
		int err = s->log[n].suspect ? incident_log_recover(&s->log[n], s->ops) : 0;

		if (err < 0)
			return err;
	}
	while ((p = s->pending)) {
		int err = incident_log_append(&s->log[p->log], s->ops, p->text, p->len);

		if (err < 0)
			return err;
		s->pending = p->next;
		if (!s->pending)
			s->pending_end = &s->pending;
		s->pending_lines--;
		free(p);
	}
	return 0;
}

/* Only after its lines are durable: a reader of the file may believe what it says. */
static int write_readbacks(struct incident_store *s)
{
	for (struct incident *i = incident_store_newest(s); i && s->stale_readbacks > 0;
	     i = i->hh.prev) {
		struct incident_record *rec = incident_record_of(i);
		int err;

		if (!rec->readback_stale)
			continue;
		err = incident_readback_write_file(s, rec);
		if (err < 0)
			return err;
		rec->readback_stale = false;
		s->stale_readbacks--;
	}
	return 0;
}

void runaway_store_flush(struct incident_store *s)
{
	int err;

	if (s->memory_only)
		return;
	err = write_pending(s);
	if (err == 0)
		err = write_readbacks(s);
	if (err < 0) {
		s->write_errors++;
		if (!s->degraded)
			log_error_errno(err, "incident store cannot write below %s", s->state_dir);
	} else if (s->degraded) {
		log_info("incident store writes again");
	}
	s->degraded = err < 0;
}

void incident_store_readback_stale(struct incident_store *s, struct incident_record *rec)
{
	if (s->memory_only || rec->readback_stale)
		return;
	rec->readback_stale = true;
	s->stale_readbacks++;
}

void runaway_store_info(const struct incident_store *s, struct store_info *ret)
{
	*ret = (struct store_info){
		.write_errors = s->write_errors,
		.torn_lines = s->torn_lines,
		.bad_lines = s->bad_lines,
		.pending_lines = s->pending_lines,
		.degraded = s->degraded,
		.chain_ok = s->chain_ok,
		.chain_length = s->next_seq - 1,
		.opened_total = s->opened_total,
		.resolved_total = s->resolved_total,
	};
	if (s->next_seq > 1)
		memcpy(ret->chain_head, s->chain_head, sizeof(ret->chain_head));
}

struct lane_count *incident_store_lane(struct incident_store *s, const char *lane_id)
{
	struct lane_count *l;

	HASH_FIND_STR(s->lanes, lane_id, l);
	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	snprintf(l->lane_id, sizeof(l->lane_id), "%s", lane_id);
	HASH_ADD_STR(s->lanes, lane_id, l);
	return l;
}

void incident_store_count_opened(struct incident_store *s, const struct incident *i)
{
	struct lane_count *l = incident_store_lane(s, i->lane_id);

	s->opened_total++;
	if (l)
		l->opened++;
}

void incident_store_count_attempt(struct incident_store *s, const struct incident *i)
{
	struct lane_count *l = incident_store_lane(s, i->lane_id);

	if (l && !i->drill)
		l->attempts++;
}

void incident_store_count_resolved(struct incident_store *s, const struct incident *i)
{
	struct lane_count *l = incident_store_lane(s, i->lane_id);
	const char *const *paths = runaway_resolution_paths();

	s->resolved_total++;
	for (size_t n = 0; l && paths[n]; n++)
		if (strcmp(paths[n], i->resolution_path) == 0)
			l->resolved[n]++;
}

struct incident *incident_store_newest(const struct incident_store *s)
{
	UT_hash_table *t;

	if (!s->incidents)
		return NULL;
	t = s->incidents->hh.tbl;
	return (struct incident *)((char *)t->tail - t->hho);
}

void runaway_store_each(const struct incident_store *s, incident_fn fn, void *ctx)
{
	for (struct incident *i = incident_store_newest(s); i; i = i->hh.prev)
		fn(ctx, i);
}

const struct incident *runaway_store_find(const struct incident_store *s, const char *incident_id)
{
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	return i;
}

size_t runaway_store_count(const struct incident_store *s, enum incident_status st,
			   enum runaway_severity sev)
{
	size_t count = 0;

	for (const struct incident *i = s->incidents; i; i = i->hh.next)
		count += (st == INCIDENT_STATUS_MAX || i->status == st) &&
			 (sev == RUNAWAY_SEVERITY_MAX || i->severity == sev);
	return count;
}

uint64_t runaway_store_opened_total(const struct incident_store *s, const char *lane_id)
{
	struct lane_count *l;

	HASH_FIND_STR(s->lanes, lane_id, l);
	return l ? l->opened : 0;
}

uint64_t runaway_store_attempts_total(const struct incident_store *s, const char *lane_id)
{
	struct lane_count *l;

	HASH_FIND_STR(s->lanes, lane_id, l);
	return l ? l->attempts : 0;
}

uint64_t runaway_store_resolved_total(const struct incident_store *s, const char *lane_id,
				      const char *path)
{
	const char *const *paths = runaway_resolution_paths();
	struct lane_count *l;

	HASH_FIND_STR(s->lanes, lane_id, l);
	for (size_t n = 0; l && paths[n]; n++)
		if (strcmp(paths[n], path) == 0)
			return l->resolved[n];
	return 0;
}

size_t runaway_store_stuck(const struct incident_store *s, uint64_t realtime_ns)
{
	size_t count = 0;

	for (struct incident *i = s->incidents; i; i = i->hh.next) {
		uint64_t last =
			MAX(i->updated_realtime_ns, incident_record_of(i)->observed_realtime_ns);

		count += i->status < INCIDENT_RESOLVED && last + STUCK_NS < realtime_ns;
	}
	return count;
}

static bool texts_can_go(const struct incident_store *s, const struct incident_record *rec)
{
	_cleanup_free_ char *path = NULL;

	if (s->memory_only || rec->texts_dropped || rec->readback_stale)
		return false;
	path = incident_readback_path(s->state_dir, rec->i.incident_id);
	return path && access(path, R_OK) == 0;
}

void incident_store_trim(struct incident_store *s)
{
	struct incident *i = incident_store_newest(s), *older;
	size_t resolved = 0, all = 0;

	for (; i; i = older) {
		struct incident_record *rec = incident_record_of(i);

		older = i->hh.prev;
		all++;
		if (i->status < INCIDENT_RESOLVED)
			continue;
		resolved++;
		if (all > INCIDENT_MAX && !rec->readback_stale) {
			HASH_DEL(s->incidents, i);
			incident_record_free(rec);
		} else if (resolved > INCIDENT_TEXTS_MAX && texts_can_go(s, rec)) {
			incident_record_drop_texts(rec);
		}
	}
}

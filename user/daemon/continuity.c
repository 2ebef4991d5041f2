// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the next daemon must know: which records go into the journal, and when it
 * is made anew. Arguments and markers go in as the model holds them, with secrets
 * hidden, and never as the kernel sent them.
 */

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/daemon.h"

static int read_boot_id(const char *proc_root, struct strbuf *b)
{
	_cleanup_free_ char *path = runaway_path_join(proc_root, "sys/kernel/random/boot_id");
	int r = path ? runaway_read_file(AT_FDCWD, path, 64, b) : -ENOMEM;

	if (r < 0 || !b->data)
		return r < 0 ? r : -ENODATA;
	strbuf_truncate(b, strcspn(b->data, "\n"));
	return 0;
}

int daemon_open_journal(struct daemon *d)
{
	_cleanup_strbuf_ struct strbuf boot_id = STRBUF_INIT;
	int r;

	r = read_boot_id(d->opt->proc_root, &boot_id);
	if (r == 0)
		r = runaway_journal_open(d->runtime_dir_fd, boot_id.data, &d->journal);
	if (r == -EBUSY)
		return log_error_errno(r, "another daemon writes its journal in %s",
				       d->opt->runtime_dir);
	/* It serves all the same; only the next start will know less. */
	if (r < 0)
		log_warning_errno(r, "no journal in %s: a restart will forget who started what",
				  d->opt->runtime_dir);
	return 0;
}

bool daemon_recalling(const struct daemon *d)
{
	return d->journal && runaway_journal_recalling(d->journal);
}

static void add(void *ctx, const struct rw_hdr *rec, size_t len)
{
	runaway_journal_add(ctx, rec, len);
}

static struct runaway_proc *find(const struct daemon *d, const struct rw_id *id)
{
	return runaway_model_find(d->model, (struct runaway_id){ id->start_ns, id->pid });
}

/* A sample is worth keeping where it is more than a figure that the next scan repeats. */
static bool keep_task(const struct daemon *d, const struct rw_task *r)
{
	const struct runaway_proc *p = find(d, &r->id);

	return !p || p->parent.pid != r->parent.pid || runaway_proc_orphan_root(p);
}

static bool keep_cpu(const struct daemon *d, const struct rw_cpu *r)
{
	const struct runaway_proc *p = find(d, &r->id);

	return p && runaway_proc_orphan_root(p);
}

/* Asked before the record is applied. */
static bool keep(const struct daemon *d, const struct rw_hdr *rec, size_t len)
{
	switch (rec->type) {
	case RW_META:
	case RW_FORK:
	case RW_EXIT:
	case RW_FREE:
	case RW_REPARENT:
		return true;
	case RW_TASK:
		return len >= sizeof(struct rw_task) && keep_task(d, (const void *)rec);
	case RW_CPU:
		return len >= sizeof(struct rw_cpu) && keep_cpu(d, (const void *)rec);
	default:
		return false;
	}
}

/* What an exec or /proc said of a process: as the model has it now. */
static void tell_proc(struct daemon *d, const struct rw_id *id)
{
	const struct runaway_proc *p = find(d, id);

	if (p)
		runaway_model_dump_proc(d->model, p, add, d->journal);
}

/* Its tree's CPU so far is not the orphan's: the next daemon starts from here. */
static void tell_orphans(struct daemon *d)
{
	for (size_t i = 0; i < d->new_orphans.count; i++) {
		const struct runaway_proc *p = runaway_model_find(d->model, d->new_orphans.id[i]);

		if (p)
			runaway_model_dump_tree(d->model, p, add, d->journal);
	}
	d->new_orphans.count = 0;
}

void daemon_note_orphan(struct daemon *d, struct runaway_id id)
{
	struct id_queue *q = &d->new_orphans;

	if (q->count == q->cap) {
		size_t cap = MAX(q->cap * 2, (size_t)16);
		struct runaway_id *grown = reallocarray(q->id, cap, sizeof(*grown));

		/* Untold, it is found again by the next daemon's scan. */
		if (!grown)
			return;
		q->id = grown;
		q->cap = cap;
	}
	q->id[q->count++] = id;
}

void daemon_apply(struct daemon *d, const struct rw_hdr *rec, size_t len)
{
	bool journal = d->journal && !daemon_recalling(d), kept = journal && keep(d, rec, len);
	int r;

	r = runaway_model_apply(d->model, rec, len);
	if (rec->type == RW_RECALLED && d->journal)
		d->runtime.recalled_processes = runaway_model_living(d->model) +
						runaway_model_remembered(d->model);
	if (!journal || r < 0)
		return;
	if (kept)
		runaway_journal_add(d->journal, rec, len);
	if (rec->type == RW_EXEC)
		tell_proc(d, &((const struct rw_exec *)rec)->id);
	else if (rec->type == RW_PROCFS)
		tell_proc(d, &((const struct rw_procfs *)rec)->id);
	tell_orphans(d);
}

void daemon_renew_journal(struct daemon *d)
{
	struct rw_meta meta;
	int r;

	if (!d->journal)
		return;
	runaway_sensor_commit(d->sensor);
	r = runaway_journal_begin(d->journal, runaway_boot_ns());
	if (r < 0)
		return;
	runaway_sensor_meta(d->sensor, &meta);
	runaway_journal_add(d->journal, &meta.hdr, sizeof(meta));
	runaway_model_dump(d->model, add, d->journal);
	runaway_journal_end(d->journal, runaway_sensor_books(d->sensor));
}

void daemon_tend_journal(struct daemon *d)
{
	if (d->journal && runaway_journal_wants_renewal(d->journal, runaway_boot_ns()))
		daemon_renew_journal(d);
}

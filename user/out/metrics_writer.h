/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_METRICS_WRITER_H
#define RUNAWAY_OUT_METRICS_WRITER_H

/*
 * Families are data: a name, a type, a help text and a function that writes the
 * samples. HELP and TYPE go out with the first sample, so a family without one
 * (unknown is absent) leaves no trace. Private to this room.
 */

#include "out/documents.h"
#include "out/metrics.h"

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM };

struct exposition;

struct metrics_family {
	const char *name; /* with _total for counters */
	enum metrics_type type;
	const char *help;
	void (*write)(struct exposition *e);
};

/* Figures of the daemon's own process, read once an exposition. */
struct self_stat {
	bool known;
	uint64_t resident_bytes, threads, start_boot_ns;
	int64_t open_fds; /* -1: unknown */
	double cpu_seconds, max_fds;
};

struct exposition {
	const struct runaway_view *view;
	enum metrics_format format;
	struct strbuf *out;
	const struct metrics_family *family; /* whose samples are being written */
	bool headed;			     /* its HELP and TYPE are out */
	uint64_t series;		     /* written so far */
	uint64_t dropped;		     /* folded into `_other` by this exposition */
	struct group_index groups;
	struct self_stat self;
	struct finding_row *rows; /* see metrics_findings.c */
	size_t row_count;
};

/*
 * One sample of the family at hand. Labels are pairs of name and value, ended
 * by NULL; a NULL value is written as "". Values are escaped here.
 */
__attribute__((sentinel)) void runaway_metrics_u64(struct exposition *e, uint64_t v, ...);
__attribute__((sentinel)) void runaway_metrics_double(struct exposition *e, double v, ...);
/* Nanoseconds as seconds, exact to the last digit. */
__attribute__((sentinel)) void runaway_metrics_ns(struct exposition *e, uint64_t ns, ...);
/*
 * Labels made beforehand ("a=\"b\",c=\"d\""): where values come from processes,
 * two that differ in bytes may be equal once escaped, so series are told apart
 * by this text. NULL on -ENOMEM; free() it.
 */
__attribute__((sentinel)) char *runaway_metrics_labels(const char *name, ...);
void runaway_metrics_u64_at(struct exposition *e, const char *labels, uint64_t v);
void runaway_metrics_double_at(struct exposition *e, const char *labels, double v);
void runaway_metrics_ns_at(struct exposition *e, const char *labels, uint64_t ns);
void runaway_metrics_histogram(struct exposition *e, const struct runaway_histogram *h);

void runaway_metrics_each_lane(struct exposition *e,
			       void (*fn)(struct exposition *, const struct lane *));

void runaway_metrics_read_self(struct self_stat *ret);

/* Makes the rows of open findings: one a label set, bounded. 0 or -ENOMEM. */
int runaway_metrics_findings_init(struct exposition *e);
void runaway_metrics_findings_free(struct exposition *e);

/* The tables, each ended by a family without a name. */
extern const struct metrics_family runaway_metrics_sensor[];
extern const struct metrics_family runaway_metrics_findings[];
extern const struct metrics_family runaway_metrics_model[];
extern const struct metrics_family runaway_metrics_incidents[];
extern const struct metrics_family runaway_metrics_gate[];
extern const struct metrics_family runaway_metrics_self[];

#endif

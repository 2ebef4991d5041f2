/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/metrics_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/escape.h"

static const char *const type_names[] = {
	[METRICS_GAUGE] = "gauge",
	[METRICS_COUNTER] = "counter",
	[METRICS_HISTOGRAM] = "histogram",
};

/* OpenMetrics names the family without the suffix that its samples carry. */
static int family_name_len(const struct exposition *e)
{
	size_t len = strlen(e->family->name);
	const size_t suffix = strlen("_total");

	if (e->format == METRICS_OPENMETRICS && e->family->type == METRICS_COUNTER &&
	    len > suffix && strcmp(e->family->name + len - suffix, "_total") == 0)
		len -= suffix;
	return (int)len;
}

static void head(struct exposition *e)
{
	int len = family_name_len(e);

	if (e->headed)
		return;
	e->headed = true;
	strbuf_addf(e->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, e->family->name,
		    e->family->help, len, e->family->name, type_names[e->family->type]);
}

static void add_label(struct strbuf *out, char before, const char *name, const char *value)
{
	strbuf_addc(out, before);
	strbuf_adds(out, name);
	strbuf_adds(out, "=\"");
	if (value)
		runaway_escape_label(out, value, strlen(value));
	strbuf_addc(out, '"');
}

static void begin_sample(struct exposition *e, va_list ap)
{
	const char *name;
	char before = '{';

	head(e);
	e->series++;
	strbuf_adds(e->out, e->family->name);
	while ((name = va_arg(ap, const char *))) {
		add_label(e->out, before, name, va_arg(ap, const char *));
		before = ',';
	}
	strbuf_adds(e->out, before == ',' ? "} " : " ");
}

/* The shortest form that reads back the same, with the words of the format. */
static void add_double(struct strbuf *out, double v)
{
	char text[32];

	if (isnan(v)) {
		strbuf_adds(out, "NaN");
		return;
	}
	if (isinf(v)) {
		strbuf_adds(out, v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	strbuf_adds(out, text);
}

void runaway_metrics_u64(struct exposition *e, uint64_t v, ...)
{
	va_list ap;

	va_start(ap, v);
	begin_sample(e, ap);
	va_end(ap);
	strbuf_addf(e->out, "%" PRIu64 "\n", v);
}

void runaway_metrics_double(struct exposition *e, double v, ...)
{
	va_list ap;

	va_start(ap, v);
	begin_sample(e, ap);
	va_end(ap);
	add_double(e->out, v);
	strbuf_addc(e->out, '\n');
}

void runaway_metrics_ns(struct exposition *e, uint64_t ns, ...)
{
	va_list ap;

	va_start(ap, ns);
	begin_sample(e, ap);
	va_end(ap);
	strbuf_addf(e->out, "%" PRIu64 ".%09" PRIu64 "\n", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC);
}

/* "1.0", "0.25", "+Inf": OpenMetrics wants `le` as a float, and both forms must agree. */
static void add_bucket(struct exposition *e, double le, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.15g", le);
	if (strspn(text, "-0123456789") == strlen(text))
		strcat(text, ".0");
	strbuf_addf(e->out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", e->family->name,
		    isinf(le) ? "+Inf" : text, v);
	e->series++;
}

void runaway_metrics_histogram(struct exposition *e, const struct runaway_histogram *h)
{
	uint64_t sum = 0;

	head(e);
	for (size_t i = 0; i < h->buckets && i < RUNAWAY_HIST_BUCKETS; i++) {
		sum += h->bucket[i];
		add_bucket(e, h->le[i], sum);
	}
	add_bucket(e, INFINITY, h->count);
	strbuf_addf(e->out, "%s_sum ", e->family->name);
	add_double(e->out, h->sum);
	strbuf_addf(e->out, "\n%s_count %" PRIu64 "\n", e->family->name, h->count);
	e->series += 2;
}

void runaway_metrics_each_lane(struct exposition *e,
			       void (*fn)(struct exposition *, const struct lane *))
{
	const struct lane_set *lanes = runaway_engine_lanes(e->view->engine);

	for (size_t i = 0; lanes && i < lanes->count; i++)
		fn(e, &lanes->lane[i]);
}

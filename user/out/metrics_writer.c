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

static void add_label(struct strbuf *out, const char *name, const char *value)
{
	strbuf_adds(out, name);
	strbuf_adds(out, "=\"");
	if (value)
		runaway_escape_label(out, value, strlen(value));
	strbuf_addc(out, '"');
}

static void add_labels(struct strbuf *out, const char *name, va_list ap)
{
	for (; name; name = va_arg(ap, const char *)) {
		add_label(out, name, va_arg(ap, const char *));
		strbuf_addc(out, ',');
	}
	strbuf_truncate(out, out->len - 1);
}

static void begin_sample(struct exposition *e, va_list ap)
{
	const char *name = va_arg(ap, const char *);

	head(e);
	e->series++;
	strbuf_adds(e->out, e->family->name);
	if (name) {
		strbuf_addc(e->out, '{');
		add_labels(e->out, name, ap);
		strbuf_addc(e->out, '}');
	}
	strbuf_addc(e->out, ' ');
}

static void begin_sample_at(struct exposition *e, const char *labels)
{
	head(e);
	e->series++;
	strbuf_addf(e->out, "%s{%s} ", e->family->name, labels);
}

char *runaway_metrics_labels(const char *name, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;
	char *labels;

	va_start(ap, name);
	add_labels(&b, name, ap);
	va_end(ap);
	labels = strbuf_take(&b);
	strbuf_free(&b);
	return labels;
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

static void end_u64(struct strbuf *out, uint64_t v)
{
	strbuf_addf(out, "%" PRIu64 "\n", v);
}

static void end_ns(struct strbuf *out, uint64_t ns)
{
	strbuf_addf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC);
}

static void end_double(struct strbuf *out, double v)
{
	add_double(out, v);
	strbuf_addc(out, '\n');
}

void runaway_metrics_u64(struct exposition *e, uint64_t v, ...)
{
	va_list ap;

	va_start(ap, v);
	begin_sample(e, ap);
	va_end(ap);
	end_u64(e->out, v);
}

void runaway_metrics_u64_at(struct exposition *e, const char *labels, uint64_t v)
{
	begin_sample_at(e, labels);
	end_u64(e->out, v);
}

void runaway_metrics_double(struct exposition *e, double v, ...)
{
	va_list ap;

	va_start(ap, v);
	begin_sample(e, ap);
	va_end(ap);
	end_double(e->out, v);
}

void runaway_metrics_double_at(struct exposition *e, const char *labels, double v)
{
	begin_sample_at(e, labels);
	end_double(e->out, v);
}

void runaway_metrics_ns(struct exposition *e, uint64_t ns, ...)
{
	va_list ap;

	va_start(ap, ns);
	begin_sample(e, ap);
	va_end(ap);
	end_ns(e->out, ns);
}

void runaway_metrics_ns_at(struct exposition *e, const char *labels, uint64_t ns)
{
	begin_sample_at(e, labels);
	end_ns(e->out, ns);
}

/* "1.0", "0.25", "+Inf": OpenMetrics wants `le` as a float, and both forms must agree. */
static void add_bucket(struct exposition *e, double le, uint64_t v)
{
	char text[32];
	bool whole;

	snprintf(text, sizeof(text), "%.15g", le);
	whole = strspn(text, "-0123456789") == strlen(text);
	strbuf_addf(e->out, "%s_bucket{le=\"%s%s\"} %" PRIu64 "\n", e->family->name,
		    isinf(le) ? "+Inf" : text, whole ? ".0" : "", v);
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

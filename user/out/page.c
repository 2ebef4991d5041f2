/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One static page for a person who opened the address in a browser. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "out/documents.h"
#include "out/http_routes.h"

#define ROWS_MAX 50

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
	"<title>runawayd</title><style>"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
	"table{border-collapse:collapse;width:100%}"
	"th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ccc}"
	"code{overflow-wrap:anywhere}"
	"@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8cf}}"
	"</style></head><body>\n";

static const char links[] =
	"<p><a href=\"/metrics\">Metrics</a> · <a href=\"/api/v1/status\">Status</a> · "
	"<a href=\"/api/v1/orphans\">Orphans</a> · <a href=\"/api/v1/findings\">Findings</a> · "
	"<a href=\"/api/v1/incidents\">Incidents</a> · <a href=\"/healthz\">Health</a> · "
	"<a href=\"/readyz\">Readiness</a></p>\n";

/* Any bytes as text of an HTML element or attribute. */
static void add_text(struct strbuf *out, const char *s)
{
	_cleanup_strbuf_ struct strbuf plain = STRBUF_INIT;

	if (!s)
		return;
	runaway_escape_text(&plain, s, strlen(s));
	if (plain.error)
		out->error = plain.error;
	for (size_t i = 0; i < plain.len; i++) {
		switch (plain.data[i]) {
		case '&':
			strbuf_adds(out, "&amp;");
			break;
		case '<':
			strbuf_adds(out, "&lt;");
			break;
		case '>':
			strbuf_adds(out, "&gt;");
			break;
		case '"':
			strbuf_adds(out, "&quot;");
			break;
		case '\'':
			strbuf_adds(out, "&#39;");
			break;
		default:
			strbuf_addc(out, plain.data[i]);
		}
	}
}

static void add_cell(struct strbuf *out, const char *s)
{
	strbuf_adds(out, "<td>");
	add_text(out, s && s[0] ? s : "unknown");
	strbuf_adds(out, "</td>");
}

static void write_summary(const struct runaway_view *v, struct strbuf *out)
{
	const struct runaway_runtime *r = v->runtime;
	enum runaway_gap gap = v->sensor ? runaway_features_gap(runaway_sensor_features(v->sensor))
					 : RUNAWAY_GAP_MAX;
	char age[32];
	uint64_t now_ns = runaway_boot_ns();

	runaway_human_duration(now_ns > r->started_boot_ns ? now_ns - r->started_boot_ns : 0, age,
			       sizeof(age));
	strbuf_adds(out, "<h1>runawayd on ");
	add_text(out, v->host_label);
	strbuf_adds(out, "</h1>\n<p>");
	strbuf_adds(out, r->scan_ok && r->events_ok ? "Scans and events work"
						    : "<strong>The sensor does not work</strong>");
	if (gap < RUNAWAY_GAP_MAX) {
		strbuf_adds(out, ", <strong>");
		add_text(out, runaway_gap_what(gap));
		strbuf_adds(out, "</strong>");
	}
	strbuf_adds(out, ". Version ");
	add_text(out, r->version);
	strbuf_addf(out, ", up for %s, %zu processes.</p>\n", age, runaway_model_living(v->model));
}

static void write_findings(const struct runaway_view *v, struct strbuf *out)
{
	const struct runaway_finding *f = runaway_engine_findings(v->engine);
	struct group_index g;
	size_t n = 0;

	strbuf_adds(out, "<h2>Open findings</h2>\n");
	if (!f) {
		strbuf_adds(out, "<p>None.</p>\n");
		return;
	}
	if (runaway_out_group_index_init(&g, v->model) < 0)
		out->error = -ENOMEM;
	strbuf_adds(out, "<table><tr><th>Lane<th>Severity<th>Process<th>Started by<th>Cores"
			 "<th>Incident</tr>\n");
	for (; f && n < ROWS_MAX; f = f->hh.next, n++) {
		struct subject_now s;

		runaway_out_subject_now(v, &g, f, &s);
		strbuf_adds(out, "<tr>");
		add_cell(out, f->lane->lane_id);
		add_cell(out, runaway_severity_name(f->lane->severity));
		add_cell(out, f->subject.kind == RUNAWAY_SUBJECT_HOST ? "the host" : s.comm);
		add_cell(out, s.origin_comm);
		strbuf_addf(out, "<td>%.2f</td><td><a href=\"/api/v1/incidents/", s.cpu_cores);
		add_text(out, f->incident_id);
		strbuf_adds(out, "\">");
		add_text(out, f->incident_id);
		strbuf_adds(out, "</a></td></tr>\n");
	}
	strbuf_adds(out, "</table>\n");
	runaway_out_group_index_free(&g);
}

struct rows_ctx {
	struct strbuf *out;
	size_t rows;
};

static void add_incident(void *ctx, const struct incident *i)
{
	struct rows_ctx *c = ctx;
	char when[RUNAWAY_RFC3339_LEN];

	if (c->rows++ >= ROWS_MAX)
		return;
	strbuf_adds(c->out, "<tr><td><a href=\"/api/v1/incidents/");
	add_text(c->out, i->incident_id);
	strbuf_adds(c->out, "\">");
	add_text(c->out, i->incident_id);
	strbuf_adds(c->out, "</a></td>");
	add_cell(c->out, runaway_incident_status_name(i->status));
	add_cell(c->out, runaway_severity_name(i->severity));
	add_cell(c->out, runaway_rfc3339(i->opened_realtime_ns, when));
	add_cell(c->out, i->title);
	strbuf_adds(c->out, "</tr>\n");
}

static void write_incidents(const struct runaway_view *v, struct strbuf *out)
{
	struct rows_ctx c = { .out = out };

	strbuf_adds(out, "<h2>Incidents</h2>\n<table><tr><th>Incident<th>Status<th>Severity"
			 "<th>Opened<th>What</tr>\n");
	runaway_store_each(v->store, add_incident, &c);
	strbuf_adds(out, "</table>\n");
	if (c.rows == 0)
		strbuf_adds(out, "<p>None.</p>\n");
	else if (c.rows > ROWS_MAX)
		strbuf_addf(out, "<p>%zu older ones are not shown.</p>\n", c.rows - ROWS_MAX);
}

void runaway_page_write(const struct runaway_view *v, struct strbuf *out)
{
	strbuf_adds(out, head);
	write_summary(v, out);
	strbuf_adds(out, links);
	write_findings(v, out);
	write_incidents(v, out);
	strbuf_adds(out, "</body></html>\n");
}

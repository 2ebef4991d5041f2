/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/http_routes.h"

#include <string.h>

#include "base/clock.h"
#include "out/documents.h"
#include "out/metrics.h"

#define JSON_TYPE	"application/json; charset=utf-8"
#define INCIDENTS_MAX	10000
#define INCIDENTS_SHOWN 200 /* without ?limit= */

static const char incident_prefix[] = "/api/v1/incidents/";

struct answer {
	const struct runaway_view *view;
	const struct http_request *request;
	struct http_reply *reply;
};

static void fail(struct answer *a, unsigned int status, const char *code, const char *message)
{
	struct json_writer w;

	strbuf_reset(&a->reply->body);
	json_init(&w, &a->reply->body, false);
	runaway_out_write_error(&w, code, message);
	strbuf_addc(&a->reply->body, '\n');
	a->reply->status = status;
	a->reply->content_type = JSON_TYPE;
	a->reply->page = false;
}

static void write_document(struct answer *a,
			   void (*doc)(const struct runaway_view *, struct json_writer *))
{
	struct json_writer w;

	json_init(&w, &a->reply->body, true);
	doc(a->view, &w);
	strbuf_addc(&a->reply->body, '\n');
}

static void get_status(struct answer *a)
{
	write_document(a, runaway_doc_status);
}

static void get_orphans(struct answer *a)
{
	write_document(a, runaway_doc_orphans);
}

static void get_findings(struct answer *a)
{
	write_document(a, runaway_doc_findings);
}

static int parse_limit(const char *s, size_t *ret)
{
	size_t v = 0;

	if (!*s || strlen(s) > 5)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (size_t)(*s - '0');
	}
	if (v < 1 || v > INCIDENTS_MAX)
		return -EINVAL;
	*ret = v;
	return 0;
}

static void get_incidents(struct answer *a)
{
	const struct http_request *r = a->request;
	const char *status = r->argument(r, "status"), *limit = r->argument(r, "limit");
	enum incident_status filter = INCIDENT_STATUS_MAX;
	size_t shown = INCIDENTS_SHOWN;
	struct json_writer w;

	if (status && runaway_incident_status_parse(status, &filter) < 0) {
		fail(a, 400, "usage",
		     "status: open, triaged, dry_run_ready, approved, acting, post_check, resolved "
		     "or closed");
		return;
	}
	if (limit && parse_limit(limit, &shown) < 0) {
		fail(a, 400, "usage", "limit: 1 to 10000");
		return;
	}
	json_init(&w, &a->reply->body, true);
	runaway_doc_incidents(a->view, filter, r->argument(r, "lane"), shown, &w);
	strbuf_addc(&a->reply->body, '\n');
}

static void get_incident(struct answer *a)
{
	const char *id = a->request->path + strlen(incident_prefix);
	struct json_writer w;
	int err = -ENOENT;

	json_init(&w, &a->reply->body, true);
	if (runaway_store_find(a->view->store, id))
		err = runaway_incident_write_readback(a->view->store, id, &w);
	strbuf_addc(&a->reply->body, '\n');
	if (err == -ENOENT)
		fail(a, 404, "not_found", "no such incident");
	else if (err)
		fail(a, 500, "failed", "the readback could not be made");
}

static void get_metrics(struct answer *a)
{
	const char *accept = a->request->header(a->request, "Accept");
	enum metrics_format f = runaway_metrics_negotiate(accept);

	a->reply->content_type = runaway_metrics_content_type(f);
	runaway_metrics_write(a->view, f, &a->reply->body);
}

/* NULL when healthy, else why not. */
static const char *why_unhealthy(const struct runaway_view *v)
{
	uint64_t age_ns;

	if (runaway_view_scan_recent(v, runaway_boot_ns(), &age_ns))
		return NULL;
	return age_ns == UINT64_MAX ? "no scan has succeeded yet"
				    : "the last good scan is older than three intervals";
}

/* What of the host it cannot see; RUNAWAY_GAP_MAX: nothing. */
static enum runaway_gap gap_of(const struct runaway_view *v)
{
	return v->sensor ? runaway_features_gap(runaway_sensor_features(v->sensor))
			 : RUNAWAY_GAP_MAX;
}

static void say(struct answer *a, const char *why_not)
{
	a->reply->content_type = "text/plain; charset=utf-8";
	if (why_not)
		a->reply->status = 503;
	strbuf_addf(&a->reply->body, "%s\n", why_not ? why_not : "ok");
}

/*
 * Health is what a restart may mend. A daemon that was started in the wrong
 * namespace stays up, so that it can be asked: it is never ready.
 */
static void get_health(struct answer *a)
{
	const struct runaway_view *v = a->view;

	if (!v->sensor || !runaway_features_blind(runaway_sensor_features(v->sensor))) {
		say(a, why_unhealthy(v));
		return;
	}
	a->reply->content_type = "text/plain; charset=utf-8";
	strbuf_addf(&a->reply->body, "alive, never ready: %s\n", runaway_gap_what(gap_of(v)));
}

/* Ready is whole: all of the host is seen, and what is found is kept. */
static void get_ready(struct answer *a)
{
	enum runaway_gap gap = gap_of(a->view);
	const char *why = gap < RUNAWAY_GAP_MAX ? runaway_gap_what(gap) : why_unhealthy(a->view);

	if (!why && !a->view->runtime->store_ok)
		why = "the incident store does not work";
	say(a, why);
	if (gap < RUNAWAY_GAP_MAX)
		strbuf_addf(&a->reply->body, "to mend: %s\n", runaway_gap_mend(gap));
	/* Ready is the sensor; what the gate is, a reader shall not have to guess. */
	strbuf_adds(&a->reply->body, "gate: ");
	runaway_gate_view_say(&a->view->runtime->gate, &a->reply->body);
	strbuf_addc(&a->reply->body, '\n');
}

static void get_page(struct answer *a)
{
	a->reply->content_type = "text/html; charset=utf-8";
	a->reply->page = true;
	runaway_page_write(a->view, &a->reply->body);
}

static const struct {
	const char *path;
	void (*get)(struct answer *a);
} routes[] = {
	{ "/", get_page },
	{ "/metrics", get_metrics },
	{ "/healthz", get_health },
	{ "/-/healthy", get_health },
	{ "/readyz", get_ready },
	{ "/-/ready", get_ready },
	{ "/api/v1/status", get_status },
	{ "/api/v1/orphans", get_orphans },
	{ "/api/v1/findings", get_findings },
	{ "/api/v1/incidents", get_incidents },
};

static void dispatch(struct answer *a)
{
	const char *path = a->request->path;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(path, routes[i].path) == 0) {
			routes[i].get(a);
			return;
		}
	}
	if (strncmp(path, incident_prefix, strlen(incident_prefix)) == 0)
		get_incident(a);
	else
		fail(a, 404, "not_found", "no such path");
}

void runaway_http_answer(const struct runaway_view *v, const struct http_request *r,
			 struct http_reply *ret)
{
	struct answer a = { .view = v, .request = r, .reply = ret };

	*ret = (struct http_reply){ .status = 200, .content_type = JSON_TYPE };
	/* What follows such a request on the wire is not read: it ends the connection. */
	ret->close = r->has_body;
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0) {
		ret->close = true;
		fail(&a, 405, "method_not_allowed", "only GET and HEAD");
	} else if (r->has_body) {
		fail(&a, 400, "usage", "a request has no body here");
	} else {
		dispatch(&a);
	}
	if (ret->body.error)
		fail(&a, 500, "failed", "out of memory");
}

void runaway_http_refuse(unsigned int status, struct http_reply *ret)
{
	struct answer a = { .reply = ret };

	*ret = (struct http_reply){ .close = status != 401 };
	if (status == 401)
		fail(&a, status, "not_permitted", "user and password are needed");
	else if (status == 403)
		fail(&a, status, "not_permitted", "a certificate of a known authority is needed");
	else
		fail(&a, status, "busy", "too many wrong passwords: try again in a second");
}

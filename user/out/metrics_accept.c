/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which form of the exposition an Accept header asks for (RFC 9110, 12.5.1). */
#include "out/metrics.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* A part of the header, not NUL-terminated. */
struct span {
	const char *at;
	size_t len;
};

static struct span trim(struct span s)
{
	while (s.len && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cuts *rest at the next `sep` outside quotes; false at the end. */
static bool next_part(struct span *rest, char sep, struct span *ret)
{
	bool quoted = false;
	size_t i;

	if (!rest->at)
		return false;
	for (i = 0; i < rest->len; i++) {
		char c = rest->at[i];

		if (quoted && c == '\\' && i + 1 < rest->len)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == sep)
			break;
	}
	*ret = trim((struct span){ rest->at, i });
	if (i < rest->len)
		*rest = (struct span){ rest->at + i + 1, rest->len - i - 1 };
	else
		*rest = (struct span){ 0 };
	return true;
}

static bool span_is(struct span s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/* "0", "0.875", "1.000" in permille; -1 for anything else. */
static int parse_quality(struct span s)
{
	int q, unit = 100;

	if (s.len == 0 || s.len > 5 || (s.at[0] != '0' && s.at[0] != '1'))
		return -1;
	q = (s.at[0] - '0') * 1000;
	if (s.len > 1 && s.at[1] != '.')
		return -1;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -1;
		q += (s.at[i] - '0') * unit;
	}
	return q <= 1000 ? q : -1;
}

struct range {
	struct span type;
	int quality; /* permille; -1: malformed, asks nothing */
	bool version_fits;
};

static bool version_is(struct span value, const char *version)
{
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = (struct span){ value.at + 1, value.len - 2 };
	return span_is(value, version);
}

static struct range parse_range(struct span part)
{
	struct range r = { .quality = 1000, .version_fits = true };
	struct span param;

	if (!next_part(&part, ';', &r.type))
		return r;
	while (next_part(&part, ';', &param)) {
		struct span name, value = param;

		if (!next_part(&value, '=', &name) || !value.at)
			continue;
		name = trim(name);
		value = trim(value);
		if (span_is(name, "q"))
			r.quality = parse_quality(value);
		else if (span_is(name, "version") &&
			 span_is(r.type, "application/openmetrics-text"))
			r.version_fits = version_is(value, "1.0.0");
	}
	return r;
}

#define TEXT_NAMED 3

/* Quality of our text form: the most specific range that covers it counts. */
struct text_quality {
	int quality, rank;
};

static void offer_text(struct text_quality *t, const struct range *r)
{
	int rank = span_is(r->type, "text/plain") ? TEXT_NAMED
		   : span_is(r->type, "text/*")	  ? 2
		   : span_is(r->type, "*/*")	  ? 1
						  : 0;

	if (rank == 0 || rank < t->rank)
		return;
	t->quality = rank == t->rank ? MAX(t->quality, r->quality) : r->quality;
	t->rank = rank;
}

enum metrics_format runaway_metrics_negotiate(const char *accept)
{
	struct text_quality text = { 0 };
	struct span rest = { accept, accept ? strlen(accept) : 0 }, part;
	int open = 0;

	while (next_part(&rest, ',', &part)) {
		struct range r = parse_range(part);

		if (r.quality < 0)
			continue;
		if (span_is(r.type, "application/openmetrics-text")) {
			if (r.version_fits)
				open = MAX(open, r.quality);
		} else {
			offer_text(&text, &r);
		}
	}
	/* Whoever names it asks for it: a tie with "anything" goes to it, one with the other name
	 * does not. */
	if (open > 0 && open == text.quality)
		return text.rank < TEXT_NAMED ? METRICS_OPENMETRICS : METRICS_TEXT;
	return open > text.quality ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *runaway_metrics_content_type(enum metrics_format f)
{
	return f == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

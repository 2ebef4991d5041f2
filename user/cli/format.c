/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"

/* ---- to the terminal ---- */

void runaway_cli_paint_escaped(const struct cli *c, enum cli_color color, const struct strbuf *b)
{
	static const char *const code[] = {
		[CLI_PLAIN] = "0", [CLI_BOLD] = "1",   [CLI_DIM] = "2",
		[CLI_RED] = "31",  [CLI_GREEN] = "32", [CLI_YELLOW] = "33",
	};

	if (c->color && color != CLI_PLAIN)
		fprintf(c->out, "\033[%sm", code[color]);
	if (b->len && !b->error)
		fwrite(b->data, 1, b->len, c->out);
	if (c->color && color != CLI_PLAIN)
		fputs("\033[0m", c->out);
}

void runaway_cli_paint(const struct cli *c, enum cli_color color, const char *text)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (!text)
		text = "-";
	runaway_escape_text(&b, text, strlen(text));
	runaway_cli_paint_escaped(c, color, &b);
}

void runaway_cli_label(const struct cli *c, const char *label)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%-11s ", label);
	runaway_cli_paint(c, CLI_DIM, buf);
}

void runaway_cli_text(const struct cli *c, const char *text)
{
	runaway_cli_paint(c, CLI_PLAIN, text);
}

void runaway_cli_field(const struct cli *c, const char *label, const char *text)
{
	runaway_cli_label(c, label);
	runaway_cli_text(c, text);
	fputc('\n', c->out);
}

void runaway_cli_line(const struct cli *c, const char *label, struct strbuf *b)
{
	runaway_cli_field(c, label, b->data);
	strbuf_reset(b);
}

/* ---- members ---- */

const cJSON *runaway_cli_get(const cJSON *obj, const char *path)
{
	char key[64];

	while (obj && *path) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		obj = runaway_json_get(obj, key);
		path += n + (path[n] == '.');
	}
	return cJSON_IsNull(obj) ? NULL : obj;
}

const char *runaway_cli_string(const cJSON *obj, const char *path)
{
	const cJSON *item = runaway_cli_get(obj, path);

	return cJSON_IsString(item) && *item->valuestring ? item->valuestring : NULL;
}

/* ---- figures ---- */

void runaway_cli_add_number(struct strbuf *b, const cJSON *item, int decimals)
{
	if (cJSON_IsNumber(item))
		strbuf_addf(b, "%.*f", decimals, item->valuedouble);
	else
		strbuf_addc(b, '-');
}

void runaway_cli_add_seconds(struct strbuf *b, const cJSON *item)
{
	char buf[64];

	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 1e10)) {
		strbuf_addc(b, '-');
		return;
	}
	strbuf_adds(b,
		    runaway_human_duration((uint64_t)(item->valuedouble * 1e9), buf, sizeof(buf)));
}

void runaway_cli_add_bytes(struct strbuf *b, const cJSON *item)
{
	char buf[64];

	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 1e19))
		strbuf_addc(b, '-');
	else
		strbuf_adds(b, runaway_human_bytes((uint64_t)item->valuedouble, buf, sizeof(buf)));
}

void runaway_cli_add_age(struct strbuf *b, const struct cli *c, const cJSON *item)
{
	uint64_t at_ns;
	char buf[64];

	if (!cJSON_IsString(item) || runaway_rfc3339_parse(item->valuestring, &at_ns) < 0)
		strbuf_addc(b, '-');
	else
		strbuf_adds(b, runaway_human_duration(c->now_ns > at_ns ? c->now_ns - at_ns : 0,
						      buf, sizeof(buf)));
}

void runaway_cli_add_since(struct strbuf *b, const struct cli *c, const cJSON *item)
{
	uint64_t at_ns;
	char buf[64];

	if (!cJSON_IsString(item) || runaway_rfc3339_parse(item->valuestring, &at_ns) < 0) {
		strbuf_addc(b, '-');
		return;
	}
	if (c->now_ns >= at_ns)
		strbuf_addf(b, "%s ago, ",
			    runaway_human_duration(c->now_ns - at_ns, buf, sizeof(buf)));
	strbuf_adds(b, item->valuestring);
}

/* ---- commands and exits ---- */

static bool plain_word(const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "%+,-./:=@_";

	return *s && strspn(s, safe) == strlen(s);
}

static void add_quoted(struct strbuf *b, const char *s)
{
	strbuf_addc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_adds(b, "'\\''");
		else
			strbuf_addc(b, *s);
	}
	strbuf_addc(b, '\'');
}

void runaway_cli_add_command(struct strbuf *b, const cJSON *args)
{
	const cJSON *item;
	bool first = true;

	cJSON_ArrayForEach (item, args) {
		const char *s = cJSON_IsString(item) ? item->valuestring : "?";

		if (!first)
			strbuf_addc(b, ' ');
		first = false;
		if (plain_word(s))
			strbuf_adds(b, s);
		else
			add_quoted(b, s);
	}
	if (first)
		strbuf_addc(b, '-');
}

void runaway_cli_add_exit(struct strbuf *b, const cJSON *exit)
{
	int sig = (int)runaway_json_num(exit, "signal", -1);
	int code = (int)runaway_json_num(exit, "code", -1);
	const char *name = sig > 0 ? sigabbrev_np(sig) : NULL;

	if (sig > 0 && name)
		strbuf_addf(b, "SIG%s", name);
	else if (sig > 0)
		strbuf_addf(b, "signal %d", sig);
	else if (code >= 0)
		strbuf_addf(b, "exit %d", code);
	else
		strbuf_addc(b, '-');
}

/* ---- timeline ---- */

/* The greatest value of those points that share a character. */
static double bucket_max(const cJSON *points, const char *key, int from, int to)
{
	double best = NAN;

	for (int i = from; i < to; i++) {
		double v = runaway_json_num(cJSON_GetArrayItem(points, i), key, NAN);

		if (isnan(best) || v > best)
			best = v;
	}
	return best;
}

void runaway_cli_add_spark(struct strbuf *b, const cJSON *points, const char *key,
			   unsigned int width, bool utf8)
{
	static const char *const blocks[] = { "\u2581", "\u2582", "\u2583", "\u2584",
					      "\u2585", "\u2586", "\u2587", "\u2588" };
	static const char *const ascii[] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	const char *const *shape = utf8 ? blocks : ascii;
	int count = cJSON_GetArraySize(points);
	int columns = MIN(count, (int)width);
	double top = bucket_max(points, key, 0, count);

	for (int i = 0; i < columns; i++) {
		int from = (int)((int64_t)i * count / columns);
		int to = (int)((int64_t)(i + 1) * count / columns);
		double v = bucket_max(points, key, from, to);

		if (isnan(v))
			strbuf_addc(b, ' ');
		else if (!(top > 0) || v <= 0)
			strbuf_adds(b, shape[0]);
		else
			strbuf_adds(b, shape[MIN(7, (int)(v / top * 7.999))]);
	}
}

/* ---- documents ---- */

static void write_number(struct json_writer *w, double v)
{
	if (v == floor(v) && fabs(v) < 9007199254740992.0)
		json_int(w, (int64_t)v);
	else
		json_double(w, v);
}

/* As deep as the parser let it be: RUNAWAY_JSON_DEPTH. */
void runaway_cli_write_item(struct json_writer *w, const cJSON *item)
{
	const cJSON *child;

	if (cJSON_IsObject(item)) {
		json_object_begin(w);
		cJSON_ArrayForEach (child, item) {
			json_key(w, child->string);
			runaway_cli_write_item(w, child);
		}
		json_object_end(w);
	} else if (cJSON_IsArray(item)) {
		json_array_begin(w);
		cJSON_ArrayForEach (child, item)
			runaway_cli_write_item(w, child);
		json_array_end(w);
	} else if (cJSON_IsString(item)) {
		json_string(w, item->valuestring);
	} else if (cJSON_IsNumber(item)) {
		write_number(w, item->valuedouble);
	} else if (cJSON_IsBool(item)) {
		json_bool(w, cJSON_IsTrue(item));
	} else {
		json_null(w);
	}
}

void runaway_cli_write_document(FILE *f, const cJSON *item)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, true);
	runaway_cli_write_item(&w, item);
	strbuf_addc(&b, '\n');
	if (!b.error)
		fwrite(b.data, 1, b.len, f);
}

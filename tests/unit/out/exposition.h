/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_OUT_EXPOSITION_H
#define RUNAWAY_TEST_OUT_EXPOSITION_H

/* A strict reader of expositions: anything that a scraper might misread fails the test. */

#include <ctype.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/escape.h"
#include "out/harness.h"

struct expo {
	char **series; /* "name{a=\"b\"}", as written */
	double *value;
	size_t count, cap;
	char family[128]; /* of the last TYPE line */
	char type[16];
	char **families;
	size_t family_count;
	bool eof;
};

static size_t expo_name(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)s[0]) && s[0] != '_')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* Length of {a="b",…}, 0 when malformed. */
static size_t expo_labels(const char *s)
{
	size_t at = 1;

	for (;;) {
		size_t n = expo_name(s + at);

		if (!n || s[at + n] != '=' || s[at + n + 1] != '"')
			return 0;
		at += n + 2;
		while (s[at] != '"') {
			if ((unsigned char)s[at] < 0x20 || s[at] == 0x7f)
				return 0;
			if (s[at] == '\\') {
				if (!strchr("\\\"n", s[at + 1]))
					return 0;
				at += 2;
				continue;
			}
			n = runaway_utf8_len(s + at, strlen(s + at));
			if (!n)
				return 0;
			at += n;
		}
		at++;
		if (s[at] == '}')
			return at + 1;
		if (s[at++] != ',')
			return 0;
	}
}

static void expo_comment(struct expo *e, const char *line, bool open)
{
	char name[128], word[128];
	int n = 0;

	if (strcmp(line, "# EOF") == 0 && open) {
		e->eof = true;
		return;
	}
	if (sscanf(line, "# HELP %127s %n", name, &n) == 1 && n) {
		assert_true(line[n] != '\0');
		for (size_t i = 0; i < e->family_count; i++)
			assert_string_not_equal(e->families[i], name);
		e->families = realloc(e->families, (e->family_count + 1) * sizeof(char *));
		assert_non_null(e->families);
		e->families[e->family_count++] = strdup(name);
		snprintf(e->family, sizeof(e->family), "%s", name);
		e->type[0] = '\0';
		return;
	}
	assert_int_equal(sscanf(line, "# TYPE %127s %127s%n", name, word, &n), 2);
	assert_int_equal(line[n], '\0');
	assert_string_equal(name, e->family);
	assert_int_equal(e->type[0], '\0');
	snprintf(e->type, sizeof(e->type), "%.15s", word);
}

static bool expo_suffix_fits(const struct expo *e, const char *suffix, bool open)
{
	if (strcmp(e->type, "histogram") == 0)
		return !strcmp(suffix, "_bucket") || !strcmp(suffix, "_sum") ||
		       !strcmp(suffix, "_count");
	if (strcmp(e->type, "counter") == 0 && open)
		return strcmp(suffix, "_total") == 0;
	return suffix[0] == '\0' && (strcmp(e->type, "counter") == 0) ==
					    (strlen(e->family) > 6 &&
					     !strcmp(e->family + strlen(e->family) - 6, "_total"));
}

static void expo_sample(struct expo *e, const char *line, bool open)
{
	size_t n = expo_name(line), labels = 0;
	char name[128], *end;
	double v;

	snprintf(name, sizeof(name), "%.*s", (int)n, line);
	if (strncmp(name, e->family, strlen(e->family)) != 0 ||
	    !expo_suffix_fits(e, name + strlen(e->family), open))
		fail_msg("%s under %s %s", name, e->family, e->type);
	if (line[n] == '{') {
		labels = expo_labels(line + n);
		if (!labels)
			fail_msg("labels: %s", line);
	}
	assert_int_equal(line[n + labels], ' ');
	v = strtod(line + n + labels + 1, &end);
	assert_true(end != line + n + labels + 1 && *end == '\0');
	if (e->count == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 1024;
		e->series = realloc(e->series, e->cap * sizeof(*e->series));
		e->value = realloc(e->value, e->cap * sizeof(*e->value));
		assert_true(e->series && e->value);
	}
	e->series[e->count] = strndup(line, n + labels);
	e->value[e->count++] = v;
}

static int expo_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void expo_no_duplicates(const struct expo *e)
{
	char **sorted = malloc(e->count * sizeof(char *));

	assert_non_null(sorted);
	memcpy(sorted, e->series, e->count * sizeof(char *));
	qsort(sorted, e->count, sizeof(char *), expo_compare);
	for (size_t i = 1; i < e->count; i++)
		assert_string_not_equal(sorted[i - 1], sorted[i]);
	free(sorted);
}

static inline void expo_free(struct expo *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->series[i]);
	for (size_t i = 0; i < e->family_count; i++)
		free(e->families[i]);
	free(e->families);
	free(e->series);
	free(e->value);
}

static inline void expo_parse(const struct strbuf *b, bool open, struct expo *ret)
{
	char *copy = strdup(b->data), *save = NULL;

	*ret = (struct expo){ 0 };
	assert_non_null(copy);
	assert_int_equal(strlen(b->data), b->len);
	assert_int_equal(b->data[b->len - 1], '\n');
	assert_null(strstr(b->data, "\n\n"));
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_false(ret->eof);
		if (line[0] == '#')
			expo_comment(ret, line, open);
		else
			expo_sample(ret, line, open);
	}
	assert_true(ret->eof == open);
	free(copy);
	expo_no_duplicates(ret);
}

/* NaN: no such series. */
static inline double expo_value(const struct expo *e, const char *series)
{
	for (size_t i = 0; i < e->count; i++) {
		if (strcmp(e->series[i], series) == 0)
			return e->value[i];
	}
	return NAN;
}

static inline size_t expo_count(const struct expo *e, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += strncmp(e->series[i], prefix, strlen(prefix)) == 0;
	return n;
}

static inline double expo_sum(const struct expo *e, const char *prefix)
{
	double sum = 0;

	for (size_t i = 0; i < e->count; i++) {
		if (strncmp(e->series[i], prefix, strlen(prefix)) == 0)
			sum += e->value[i];
	}
	return sum;
}

/* The exposition of the world, read strictly. */
static inline void expo_of(const struct world *w, enum metrics_format f, struct expo *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_metrics_write(&w->view, f, &b);
	assert_int_equal(b.error, 0);
	expo_parse(&b, f == METRICS_OPENMETRICS, ret);
}

/* What Prometheus' own tool thinks of it: no complaint at all. */
static inline void promtool_check(const struct strbuf *b)
{
	int fd = memfd_create("metrics", 0), status;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->data, b->len), b->len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fd, STDIN_FILENO);
		execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void assert_value(const struct expo *e, const char *series, double want)
{
	double v = expo_value(e, series);

	if (!(v == want))
		fail_msg("%s is %g, not %g", series, v, want);
}

#endif

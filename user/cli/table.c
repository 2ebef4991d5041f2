/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include <stdint.h>
#include <string.h>

#include "base/escape.h"

#define SHRINK_MIN 8 /* narrower than this a column says nothing */
#define GAP	   2

struct range {
	uint32_t first, last;
};

/* East Asian wide and fullwidth, emoji: two columns (Unicode 15, blocks not single characters). */
static const struct range wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2e80, 0x303e },	  { 0x3041, 0x33ff },
	{ 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },	  { 0xa960, 0xa97c },
	{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },	  { 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
	{ 0x20000, 0x3fffd },
};

/* Combining marks, joiners, variation selectors: none. */
static const struct range zero[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 },	  { 0x0591, 0x05bd }, { 0x0610, 0x061a },
	{ 0x064b, 0x065f }, { 0x0e34, 0x0e3a },	  { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f }, { 0x20d0, 0x20ff },	  { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	{ 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};

static bool within(uint32_t c, const struct range *r, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

/* The text has been escaped, so that it is valid UTF-8; len is of the sequence at s. */
static uint32_t decode(const char *s, size_t len)
{
	static const uint8_t lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (uint8_t)s[0] & lead[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((uint8_t)s[i] & 0x3f);
	return c;
}

static unsigned int columns_of(uint32_t c)
{
	if (within(c, zero, ARRAY_SIZE(zero)))
		return 0;
	return within(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/* Walks until the text ends or would pass `limit` columns; the columns walked in *ret_columns. */
static size_t walk(const char *text, unsigned int limit, unsigned int *ret_columns)
{
	size_t left = strlen(text), at = 0;
	unsigned int sum = 0;

	while (left) {
		size_t n = runaway_utf8_len(text + at, left);
		unsigned int w = n ? columns_of(decode(text + at, n)) : 1;

		if (w > limit - sum)
			break;
		n = n ? n : 1;
		sum += w;
		at += n;
		left -= n;
	}
	*ret_columns = sum;
	return at;
}

unsigned int runaway_table_width(const char *text)
{
	unsigned int columns;

	walk(text, UINT32_MAX, &columns);
	return columns;
}

size_t runaway_table_fit(const char *text, unsigned int columns)
{
	unsigned int sum;

	return walk(text, columns, &sum);
}

/* ---- filling ---- */

void runaway_table_init(struct table *t, const struct table_column *column, size_t columns)
{
	*t = (struct table){ .column = column, .columns = columns };
}

void runaway_table_free(struct table *t)
{
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	*t = (struct table){ 0 };
}

static bool make_room(struct table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	char **cell;

	if (t->cells < t->cap)
		return true;
	cell = reallocarray(t->cell, cap, sizeof(*cell));
	if (!cell)
		return false;
	t->cell = cell;
	t->cap = cap;
	return true;
}

static void add_n(struct table *t, const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *escaped;

	if (len)
		runaway_escape_text(&b, text, len);
	else
		strbuf_addc(&b, '-');
	escaped = strbuf_take(&b);
	if (!escaped || !make_room(t)) {
		free(escaped);
		t->error = true;
		return;
	}
	t->cell[t->cells++] = escaped;
}

void runaway_table_add(struct table *t, const char *text)
{
	add_n(t, text, text ? strlen(text) : 0);
}

void runaway_table_take(struct table *t, struct strbuf *b)
{
	add_n(t, b->data, b->len);
	strbuf_reset(b);
}

/* ---- printing ---- */

static void measure(const struct table *t, unsigned int *width)
{
	for (size_t i = 0; i < t->columns; i++)
		width[i] = runaway_table_width(t->column[i].title);
	for (size_t i = 0; i < t->cells; i++) {
		unsigned int w = runaway_table_width(t->cell[i]);

		width[i % t->columns] = MAX(width[i % t->columns], w);
	}
}

/* Takes columns off the widest of those that may shrink until the table fits or none is left. */
static void shrink(const struct table *t, unsigned int *width, unsigned int limit)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < t->columns; i++)
		sum += width[i] + (i ? GAP : 0);
	while (sum > limit) {
		size_t widest = t->columns;

		for (size_t i = 0; i < t->columns; i++)
			if (t->column[i].shrink && width[i] > SHRINK_MIN &&
			    (widest == t->columns || width[i] > width[widest]))
				widest = i;
		if (widest == t->columns)
			return;
		width[widest]--;
		sum--;
	}
}

static void pad(FILE *f, unsigned int columns)
{
	fprintf(f, "%*s", (int)columns, "");
}

static void print_cell(FILE *f, const char *text, unsigned int width, bool right, bool last,
		       bool utf8)
{
	unsigned int w = runaway_table_width(text);
	size_t len = strlen(text);
	bool cut = w > width;

	if (cut) {
		len = runaway_table_fit(text, width - 1);
		walk(text, width - 1, &w);
		w++;
	}
	if (right)
		pad(f, width - w);
	fwrite(text, 1, len, f);
	if (cut)
		fputs(utf8 ? "\u2026" : "~", f);
	if (!right && !last)
		pad(f, width - w);
}

void runaway_table_print(const struct table *t, FILE *f, unsigned int limit, bool bold_head,
			 bool utf8)
{
	_cleanup_free_ unsigned int *width = calloc(t->columns, sizeof(*width));

	if (!width || t->error) {
		fputs("out of memory\n", f);
		return;
	}
	measure(t, width);
	if (limit)
		shrink(t, width, limit);
	if (bold_head)
		fputs("\033[1m", f);
	for (size_t i = 0; i < t->columns; i++) {
		if (i)
			pad(f, GAP);
		print_cell(f, t->column[i].title, width[i], t->column[i].right, i + 1 == t->columns,
			   utf8);
	}
	fputs(bold_head ? "\033[0m\n" : "\n", f);
	for (size_t i = 0; i < t->cells; i++) {
		size_t col = i % t->columns;

		if (col)
			pad(f, GAP);
		print_cell(f, t->cell[i], width[col], t->column[col].right, col + 1 == t->columns,
			   utf8);
		if (col + 1 == t->columns)
			fputc('\n', f);
	}
}

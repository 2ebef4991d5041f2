/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strbuf.h"

#include <string.h>

/* Most lines and numbers fit; one allocation less for each of them. */
#define STRBUF_MIN_BYTES 64

void strbuf_free(struct strbuf *b)
{
	free(b->data);
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

int strbuf_reserve(struct strbuf *b, size_t extra)
{
	size_t cap = b->cap;
	char *data;

	if (b->error)
		return b->error;
	if (b->len < cap && extra < cap - b->len)
		return 0;
	/* Half of the address space: the doubling below cannot overflow. */
	if (extra > SIZE_MAX / 4 || b->len > SIZE_MAX / 4)
		return b->error = -ENOMEM;
	cap = MAX(cap, (size_t)STRBUF_MIN_BYTES);
	while (cap <= b->len + extra)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return b->error = -ENOMEM;
	if (!b->data)
		data[0] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	if (!len || strbuf_reserve(b, len) < 0)
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	if (strbuf_reserve(b, STRBUF_MIN_BYTES) < 0)
		return;
	room = b->cap - b->len;
	va_copy(again, ap);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	if (n < 0) {
		b->error = -ENOMEM; /* longer than INT_MAX */
	} else if ((size_t)n >= room && strbuf_reserve(b, (size_t)n) == 0) {
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	if (b->error)
		b->data[b->len] = '\0';
	else
		b->len += (size_t)n;
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(b, fmt, ap);
	va_end(ap);
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

char *strbuf_take(struct strbuf *b)
{
	char *s;

	if (!b->error)
		strbuf_reserve(b, 0);
	s = b->error ? NULL : TAKE_PTR(b->data);
	strbuf_free(b);
	return s;
}

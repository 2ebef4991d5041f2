/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/jsonc.h"

#include <string.h>

#include "base/json.h"
#include "base/json_lex.h"

/* A key of the text; `key` and `len` are the resolved bytes. */
struct seen_key {
	size_t object; /* number of the object it stands in */
	size_t offset; /* in the text */
	size_t arena;  /* offset of its bytes in the arena */
	size_t len;
	const char *key; /* set when the arena has stopped moving */
};

struct key_list {
	struct seen_key *key;
	size_t count, cap;
	struct strbuf arena;
};

static void key_list_free(struct key_list *k)
{
	free(k->key);
	strbuf_free(&k->arena);
}

static int key_list_add(struct key_list *k, size_t object, const struct json_lexer *l)
{
	struct seen_key *key;
	size_t arena = k->arena.len;

	if (k->count == k->cap) {
		size_t cap = MAX((size_t)64, 2 * k->cap);

		key = reallocarray(k->key, cap, sizeof(*key));
		if (!key)
			return -ENOMEM;
		k->key = key;
		k->cap = cap;
	}
	json_lex_unescape(&k->arena, l->text + l->start, l->pos - l->start);
	k->key[k->count++] = (struct seen_key){
		.object = object,
		.offset = l->start,
		.arena = arena,
		.len = k->arena.len - arena,
	};
	return k->arena.error;
}

/*
 * Collects every key with its object. Text that does not parse ends the walk:
 * the parser says what is wrong with it.
 */
static int collect(struct key_list *k, const char *text, size_t len)
{
	struct json_lexer l = { .text = text, .len = len };
	size_t stack[RUNAWAY_JSON_DEPTH] = { 0 }, objects = 0; /* stack: 0 is an array */
	unsigned int depth = 0;
	bool key_next = false;
	enum json_token t;
	int r;

	while ((t = json_lex_next(&l)) != JSON_TOKEN_END && t != JSON_TOKEN_BAD) {
		if (t == JSON_TOKEN_OBJECT_BEGIN || t == JSON_TOKEN_ARRAY_BEGIN) {
			if (depth == RUNAWAY_JSON_DEPTH)
				return 0;
			stack[depth++] = t == JSON_TOKEN_OBJECT_BEGIN ? ++objects : 0;
		} else if (t == JSON_TOKEN_OBJECT_END || t == JSON_TOKEN_ARRAY_END) {
			if (!depth--)
				return 0;
		} else if (t == JSON_TOKEN_STRING && key_next) {
			r = key_list_add(k, stack[depth - 1], &l);
			if (r < 0)
				return r;
		}
		key_next = (t == JSON_TOKEN_OBJECT_BEGIN || t == JSON_TOKEN_COMMA) && depth &&
			   stack[depth - 1];
	}
	return 0;
}

static int compare_name(const struct seen_key *a, const struct seen_key *b)
{
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->key, b->key, a->len);
}

static int compare(const void *pa, const void *pb)
{
	const struct seen_key *a = pa, *b = pb;
	int r = compare_name(a, b);

	return r ? r : a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The repetition that comes first in the text, or NULL. */
static const struct seen_key *first_repetition(struct key_list *k)
{
	const struct seen_key *found = NULL;

	for (size_t i = 0; i < k->count; i++)
		k->key[i].key = k->arena.data ? k->arena.data + k->key[i].arena : "";
	if (k->count)
		qsort(k->key, k->count, sizeof(*k->key), compare);
	for (size_t i = 1; i < k->count; i++)
		if (compare_name(&k->key[i - 1], &k->key[i]) == 0 &&
		    (!found || k->key[i].offset < found->offset))
			found = &k->key[i];
	return found;
}

int runaway_jsonc_find_duplicate(const char *text, size_t len, unsigned int *ret_line,
				 char **ret_key)
{
	_cleanup_(key_list_free) struct key_list keys = { 0 };
	const struct seen_key *found;
	char *copy;
	int r;

	r = collect(&keys, text, len);
	if (r < 0)
		return r;
	found = first_repetition(&keys);
	if (!found)
		return 0;
	copy = strndup(found->key, found->len);
	if (!copy)
		return -ENOMEM;
	*ret_line = runaway_jsonc_line_at(text, len, found->offset);
	*ret_key = copy;
	return 1;
}

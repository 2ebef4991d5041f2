/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From bytes to a tree: everything that can be wrong before a key is looked at. */

#include <string.h>

#include "base/escape.h"
#include "base/jsonc.h"
#include "daemon/config_read.h"

static int check_encoding(struct reader *r)
{
	if (r->len >= 3 && !memcmp(r->text, "\xef\xbb\xbf", 3))
		return config_refuse_at(r, 1, "",
					"begins with a byte order mark; plain UTF-8 is wanted");
	for (size_t i = 0; i < r->len;) {
		size_t n = runaway_utf8_len(r->text + i, r->len - i);
		unsigned char byte = (unsigned char)r->text[i];

		if (!n || !byte)
			return config_refuse_at(r, runaway_jsonc_line_at(r->text, r->len, i), "",
						"byte 0x%02x is no text; UTF-8 is wanted", byte);
		i += n;
	}
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blank(const struct reader *r, size_t i)
{
	while (i < r->len && blank(r->text[i]))
		i++;
	return i;
}

/* What stands where the parser gave up. */
static int refuse_syntax(struct reader *r, size_t offset)
{
	size_t at = skip_blank(r, MIN(offset, r->len)), n = 0;
	unsigned int line;

	if (at == r->len) {
		while (at && blank(r->text[at - 1]))
			at--;
		line = runaway_jsonc_line_at(r->text, r->len, at ? at - 1 : 0);
		return config_refuse_at(r, line, "", "ends too early; a JSON object is wanted");
	}
	line = runaway_jsonc_line_at(r->text, r->len, at);
	while (n < 16 && at + n < r->len && r->text[at + n] != '\n')
		n += MAX(runaway_utf8_len(r->text + at + n, r->len - at - n), (size_t)1);
	return config_refuse_at(r, line, "", "not JSON at '%.*s'; JSON with comments is wanted",
				(int)MIN(n, r->len - at), r->text + at);
}

static int check_duplicates(struct reader *r)
{
	_cleanup_free_ char *key = NULL;
	unsigned int line = 0;
	int found = runaway_jsonc_find_duplicate(r->text, r->len, &line, &key);

	if (found <= 0)
		return found;
	return config_refuse_at(r, line, key, "stands twice in one object; once is wanted");
}

int config_document(struct reader *r, char *text, size_t len, cJSON **ret)
{
	_cleanup_cjson_ cJSON *root = NULL;
	size_t offset = 0;
	int err;

	r->text = text;
	r->len = len;
	if (len > RUNAWAY_CONFIG_MAX_BYTES)
		return config_refuse_at(r, 0, "", "%zu bytes is too large; at most %d", len,
					RUNAWAY_CONFIG_MAX_BYTES);
	err = check_encoding(r);
	if (err)
		return err;
	if (runaway_jsonc_strip(text, len))
		return config_refuse_at(r, runaway_jsonc_line_at(text, len, len), "",
					"a comment is not closed; \"*/\" is wanted");
	if (skip_blank(r, 0) == len)
		return config_refuse_at(r, 1, "", "is empty; {} at least");

	err = runaway_json_parse(text, len, &root, &offset);
	if (err == -E2BIG)
		return config_refuse_at(r, runaway_jsonc_line_at(text, len, MIN(offset, len)), "",
					"nested too deep; at most %d levels", RUNAWAY_JSON_DEPTH);
	if (err == -EBADMSG)
		return refuse_syntax(r, offset);
	if (err)
		return err;
	err = check_duplicates(r);
	if (err)
		return err;
	*ret = TAKE_PTR(root);
	return 0;
}

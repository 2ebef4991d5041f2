/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets in arguments. One pass from left to right; whatever a byte is looked
 * at again for (the name before a separator) is bounded, so the cost is linear.
 * In doubt too much is hidden: a hidden flag costs a reader a guess, a shown
 * password costs more.
 */

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "model/internal.h"

#define NAME_MAX_LEN 96
#define HIDDEN	     "***"

/* Anywhere in a name. */
static const char *const secret_parts[] = {
	"token",	 "password",	"passwd",      "passphrase",	 "secret",
	"apikey",	 "api-key",	"api_key",     "accesskey",	 "access-key",
	"access_key",	 "privatekey",	"private-key", "private_key",	 "credential",
	"authorization", "set-cookie",	"jitconfig",   "encryption-key", "encryption_key",
	"signing-key",	 "signing_key",
};

/* As a whole word of a name: "--db-pass", "MYSQL_PWD", "X-Auth". */
static const char *const secret_words[] = { "pass", "auth", "pat", "jwt", "bearer", "cookie" };
/* As the last of several words: PWD alone is a folder. */
static const char *const secret_tails[] = { "pwd" };

/* Shapes of tokens that say themselves what they are. */
static const char *const token_prefixes[] = {
	"ghp_",	 "gho_",  "ghu_",  "ghs_", "ghr_",	"github_pat_", "glpat-", "glrt-",
	"xoxb-", "xoxp-", "xoxa-", "npm_", "dckr_pat_", "sk-ant-",     "AKIA",
};
#define TOKEN_MIN 16 /* shorter ones are words that only begin so */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static bool has_part(const char *name, size_t len, const char *part)
{
	size_t n = strlen(part);

	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp(name + i, part, n) == 0)
			return true;
	return false;
}

static bool has_word(const char *name, size_t len, const char *word, bool tail)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		bool begins = i == 0 || !isalnum((unsigned char)name[i - 1]);
		bool ends = i + n == len || !isalnum((unsigned char)name[i + n]);

		if (!begins || !ends || strncasecmp(name + i, word, n) != 0)
			continue;
		if (!tail || (i > 0 && i + n == len))
			return true;
	}
	return false;
}

bool redact_name_is_secret(const char *name, size_t len, const char *const *extra)
{
	char copy[NAME_MAX_LEN + 1];

	while (len && *name == '-') {
		name++;
		len--;
	}
	if (len == 0)
		return false;
	if (len > NAME_MAX_LEN) {
		name += len - NAME_MAX_LEN;
		len = NAME_MAX_LEN;
	}
	for (size_t i = 0; i < ARRAY_SIZE(secret_parts); i++)
		if (has_part(name, len, secret_parts[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++)
		if (has_word(name, len, secret_words[i], false))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(secret_tails); i++)
		if (has_word(name, len, secret_tails[i], true))
			return true;
	if (!extra)
		return false;
	memcpy(copy, name, len);
	copy[len] = '\0';
	for (; *extra; extra++) {
		const char *glob = *extra + strspn(*extra, "-");

		if (fnmatch(glob, copy, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

/* State of one argument. */
struct arg {
	const char *s;
	size_t len;
	size_t shown; /* bytes already written or hidden */
	bool whole;   /* one of several arguments: its value goes to its end */
	const char *const *extra;
	struct strbuf *out;
};

static void show_to(struct arg *a, size_t to)
{
	if (to > a->shown)
		strbuf_add(a->out, a->s + a->shown, to - a->shown);
	a->shown = MAX(a->shown, to);
}

static void hide(struct arg *a, size_t from, size_t to)
{
	if (to <= from)
		return;
	show_to(a, from);
	strbuf_adds(a->out, HIDDEN);
	a->shown = to;
}

/* The name that ends right before `at`, a closing quote skipped. */
static size_t name_start(const struct arg *a, size_t at)
{
	size_t i = at;

	while (i > 0 && at - i < NAME_MAX_LEN && is_name_char(a->s[i - 1]))
		i--;
	return i;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* End of the value that begins at `at`; `first`: its name began the argument. */
static size_t value_end(const struct arg *a, size_t at, bool first, bool header)
{
	char quote = at < a->len && (a->s[at] == '"' || a->s[at] == '\'') ? a->s[at] : 0;
	size_t i = at + (quote ? 1 : 0);

	if (first && a->whole && !quote)
		return a->len;
	for (; i < a->len; i++) {
		char c = a->s[i];

		if (quote) {
			if (c == '\\' && i + 1 < a->len)
				i++;
			else if (c == quote)
				return i + 1;
			continue;
		}
		if (c == '"' || c == '\'' || (header && (c == '\n' || c == '\r')))
			return i;
		if (!header && (is_space(c) || c == '&' || c == ';'))
			return i;
	}
	return a->len;
}

/* At '=' or ':'. Returns where to go on. */
static size_t separator(struct arg *a, size_t at)
{
	bool quoted = at > 0 && (a->s[at - 1] == '"' || a->s[at - 1] == '\'');
	size_t name_end = quoted ? at - 1 : at, start = name_start(a, name_end), from = at + 1;
	bool header = a->s[at] == ':' && !quoted;
	size_t end;

	if (start == name_end || !redact_name_is_secret(a->s + start, name_end - start, a->extra))
		return at + 1;
	while (a->s[at] == ':' && from < a->len && a->s[from] == ' ')
		from++;
	end = value_end(a, from, start == 0, header);
	hide(a, from, end);
	return MAX(end, at + 1);
}

/* At "://". Hides the password, or a user name that is a token. */
static size_t userinfo(struct arg *a, size_t at)
{
	size_t from = at + 3, last = 0, colon = 0, i;

	for (i = from; i < a->len; i++) {
		char c = a->s[i];

		if (c == '/' || c == '?' || c == '#' || c == '"' || c == '\'' || is_space(c))
			break;
		if (c == '@')
			last = i;
		if (c == ':' && !colon && !last)
			colon = i;
	}
	if (!last)
		return from;
	if (colon && colon < last)
		hide(a, colon + 1, last);
	else if (last - from >= TOKEN_MIN)
		hide(a, from, last);
	return last;
}

/* A word that is a token by its prefix. Returns its end, 0 when it is none. */
static size_t token_end(const struct arg *a, size_t at)
{
	if (at > 0 && is_name_char(a->s[at - 1]))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(token_prefixes); i++) {
		size_t n = strlen(token_prefixes[i]), end = at;

		if (a->len - at < n || strncmp(a->s + at, token_prefixes[i], n) != 0)
			continue;
		while (end < a->len && is_name_char(a->s[end]))
			end++;
		if (end - at >= TOKEN_MIN)
			return end;
	}
	return 0;
}

/* "--password" without a value: the next word is the value. */
static bool asks_for_value(const char *word, size_t len, const char *const *extra)
{
	static const char from_stdin[] = "-stdin";
	const size_t n = sizeof(from_stdin) - 1;

	if (len < 2 || word[0] != '-' || memchr(word, '=', len) || memchr(word, ':', len))
		return false;
	if (len > n && strncasecmp(word + len - n, from_stdin, n) == 0)
		return false;
	return redact_name_is_secret(word, len, extra);
}

/* What looks like another option is no value. */
static bool is_option(const char *s, size_t len)
{
	return len >= 2 && s[0] == '-' && (s[1] == '-' || len == 2);
}

/* At the end of a word within an argument: hides the next one when the word asks for it. */
static size_t word_ended(struct arg *a, size_t word, size_t at)
{
	size_t from = at, end;

	if (!asks_for_value(a->s + word, at - word, a->extra))
		return at + 1;
	while (from < a->len && is_space(a->s[from]))
		from++;
	end = value_end(a, from, false, false);
	if (is_option(a->s + from, end - from))
		return at + 1;
	hide(a, from, end);
	return MAX(end, at + 1);
}

static void redact_arg(struct arg *a)
{
	size_t word = 0, i = 0;

	while (i < a->len) {
		char c = a->s[i];
		size_t end;

		if (c == ':' && i + 2 < a->len && a->s[i + 1] == '/' && a->s[i + 2] == '/') {
			i = userinfo(a, i);
		} else if (c == '=' || c == ':') {
			i = separator(a, i);
		} else if (is_space(c)) {
			i = word_ended(a, word, i);
			word = i;
		} else if (isalpha((unsigned char)c) && (end = token_end(a, i))) {
			hide(a, i, end);
			i = end;
		} else {
			i++;
		}
	}
	show_to(a, a->len);
}

/* Are there several arguments, or one string that a program wrote over its own? */
static bool is_one_string(const char *args, size_t len)
{
	size_t first = strnlen(args, len);

	for (size_t i = first; i < len; i++)
		if (args[i] != '\0')
			return false;
	return true;
}

void runaway_redact_args(const char *args, size_t len, const char *const *extra, struct strbuf *out)
{
	bool whole = !is_one_string(args, len), hide_next = false;

	for (size_t at = 0; at < len;) {
		struct arg a = {
			.s = args + at,
			.len = strnlen(args + at, len - at),
			.whole = whole,
			.extra = extra,
			.out = out,
		};

		if (hide_next && a.len && !is_option(a.s, a.len))
			hide(&a, 0, a.len);
		else
			redact_arg(&a);
		hide_next = whole && asks_for_value(a.s, a.len, extra);
		at += a.len;
		if (at < len) {
			strbuf_addc(out, '\0');
			at++;
		}
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_FORMAT_H
#define RUNAWAY_CLI_FORMAT_H

/* Figures, texts and whole documents for people. Everything foreign is escaped. */

#include "base/strbuf.h"
#include "cli/cli.h"

enum cli_color { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW };

/* Writes text in a colour, if the output has colours. The text is escaped. */
void runaway_cli_paint(const struct cli *c, enum cli_color color, const char *text);
/* "Label:      " in a fixed width, dim. */
void runaway_cli_label(const struct cli *c, const char *label);
/* The same for text that has been escaped. */
void runaway_cli_paint_escaped(const struct cli *c, enum cli_color color, const struct strbuf *b);
/* Escaped, no newline; NULL writes "-". */
void runaway_cli_text(const struct cli *c, const char *text);
/* A line of its own: label and text. */
void runaway_cli_field(const struct cli *c, const char *label, const char *text);
/* The same from a buffer, which is emptied for the next one. */
void runaway_cli_line(const struct cli *c, const char *label, struct strbuf *b);

/* Members of documents; NULL-safe, a missing member is unknown. */
const cJSON *runaway_cli_get(const cJSON *obj, const char *path);   /* "origin.exit.signal" */
const char *runaway_cli_string(const cJSON *obj, const char *path); /* NULL: none */

/* The following append to b, not escaped yet; "-" for what is not known. */
void runaway_cli_add_number(struct strbuf *b, const cJSON *item, int decimals);
void runaway_cli_add_seconds(struct strbuf *b, const cJSON *item);
void runaway_cli_add_bytes(struct strbuf *b, const cJSON *item);
/* "12 min", of a time in a document. */
void runaway_cli_add_age(struct strbuf *b, const struct cli *c, const cJSON *item);
/* "12 min ago, 2026-11-22T02:17:15.123Z". */
void runaway_cli_add_since(struct strbuf *b, const struct cli *c, const cJSON *item);
/* Arguments as a shell would read them: quoted where needed; not escaped yet. */
void runaway_cli_add_command(struct strbuf *b, const cJSON *args);
/* "signal 9 (Killed)", "exit 0". */
void runaway_cli_add_exit(struct strbuf *b, const cJSON *exit);
/* Values from `key` of each element, one character a value, at most `width`. */
void runaway_cli_add_spark(struct strbuf *b, const cJSON *points, const char *key,
			   unsigned int width, bool utf8);

/* A document, indented, keys and strings escaped: RFC 8259. */
void runaway_cli_write_document(FILE *f, const cJSON *item);
/* Appends item through the writer, which escapes what a terminal must not see. */
void runaway_cli_write_item(struct json_writer *w, const cJSON *item);

#endif

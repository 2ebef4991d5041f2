/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_H
#define RUNAWAY_CLI_H

/*
 * runawayctl: nouns, verbs and options are tables; each noun has its own file.
 * The client speaks only the control protocol: what it shows came over the
 * socket, and nothing of it reaches the terminal unescaped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/json.h"

#define RUNAWAY_CLI_SOCKET "/run/runawayd/control.sock"
#define CLI_OPTIONS_MAX	   8
#define CLI_ARGS_MAX	   4
#define CLI_ANSWER_MAX	   ((size_t)64 * 1024 * 1024)
#define CLI_REQUEST_MAX	   ((size_t)1024 * 1024)
#define CLI_CONNECT_MS	   10000
#define CLI_ANSWER_MS	   60000
#define CLI_PATIENCE_MS	   1000 /* after that a person is told what is waited for */

/* The interface's exit codes. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_DENIED = 3,
	CLI_GATE_REFUSED = 4,
	CLI_NOT_FOUND = 5,
};

enum cli_option_type { CLI_FLAG, CLI_UINT, CLI_STRING };

struct cli_option {
	const char *name; /* with its dashes; NULL ends a table */
	const char *alias;
	enum cli_option_type type;
	const char *arg; /* "N", for help; NULL for a flag */
	uint64_t min, max;
	const char *help;
};

struct cli_value {
	bool set;
	const char *string;
	uint64_t number;
};

struct cli;

struct cli_verb {
	const char *name; /* "" for a noun that is its own verb */
	const char *args; /* "PID", for help; NULL: none */
	const char *summary;
	const char *method;
	unsigned int args_min, args_max;
	const struct cli_option *option; /* ended by a NULL name; NULL: none */
	/* Writes "params"' keys; 0, or an exit status after a message. NULL: no parameters. */
	int (*params)(struct cli *c, struct json_writer *w);
	/* The result as a person reads it; an exit status. NULL: only the document itself. */
	int (*print)(struct cli *c, const cJSON *result);
	/* Exit status that a result means, in every form of output. NULL: CLI_OK. */
	int (*verdict)(const cJSON *result);
	/* Instead of one call; NULL: runaway_cli_call(). */
	int (*run)(struct cli *c);
};

struct cli_noun {
	const char *name;
	const char *summary;
	const struct cli_verb *verb; /* ended by a NULL name */
};

/* One run of the client. */
struct cli {
	const char *socket;
	bool json;
	bool no_color;
	bool help;	    /* -h somewhere: help of what is known so far */
	bool version;	    /* --version */
	bool color;	    /* standard output may carry colours */
	bool utf8;	    /* it may carry more than ASCII of our own */
	bool tty;	    /* it is a terminal */
	unsigned int width; /* its columns; 0: do not cut */
	FILE *out, *err;
	uint64_t now_ns; /* CLOCK_REALTIME, when the answer came */
	const struct cli_noun *noun;
	const struct cli_verb *verb;
	const char *arg[CLI_ARGS_MAX];
	unsigned int arg_count;
	struct cli_value value[CLI_OPTIONS_MAX]; /* by index in verb->option */
};

/* ---- commands.c ---- */
extern const struct cli_noun *const runaway_cli_nouns[]; /* NULL-terminated */
const struct cli_noun *runaway_cli_find_noun(const char *name);
const struct cli_verb *runaway_cli_find_verb(const struct cli_noun *n, const char *name);

extern const struct cli_noun runaway_cli_status, runaway_cli_doctor, runaway_cli_proc,
	runaway_cli_cgroup, runaway_cli_lane, runaway_cli_finding, runaway_cli_incident,
	runaway_cli_config, runaway_cli_store, runaway_cli_gate, runaway_cli_drill;

/* ---- options.c ---- */
extern const struct cli_option runaway_cli_global_options[];
/* Fills c from the command line. CLI_OK, or CLI_USAGE after a message. */
int runaway_cli_parse(struct cli *c, int argc, char **argv);
/* An option of the verb in force; {0} when it was not given. */
struct cli_value runaway_cli_option(const struct cli *c, const char *name);

/* ---- help.c ---- */
void runaway_cli_usage(const struct cli *c, FILE *f);
int runaway_cli_help(struct cli *c);
int runaway_cli_version(struct cli *c);

/* ---- call.c ---- */
/* Says what went wrong, on standard error or, with -o json, as a document. Returns the status. */
int runaway_cli_fail(struct cli *c, const char *code, const char *fmt, ...) _printf_(3, 4);
/* Exit status of an error code of the protocol. */
int runaway_cli_status_of(const char *code);
/* And the code of an exit status; "failed" for one that is none of ours. */
const char *runaway_cli_code_of(int status);
/* One request, a line; *ret_answer owns *ret_result. CLI_OK, or a status after a message. */
int runaway_cli_ask_line(struct cli *c, const struct strbuf *line, cJSON **ret_answer,
			 const cJSON **ret_result);
/* The same for a method and its parameters, a JSON object (ask.c). */
int runaway_cli_ask_method(struct cli *c, const char *method, const char *params,
			   cJSON **ret_answer, const cJSON **ret_result);
/* Asks and shows: what most verbs are. */
int runaway_cli_call(struct cli *c);
/* The same; where no daemon listens, alone() does it. NULL: that is an error. */
int runaway_cli_call_or(struct cli *c, int (*alone)(struct cli *c));
/* Shows a result in the form that was asked for. */
int runaway_cli_show(struct cli *c, const cJSON *result);
/* Reads FILE ("-": standard input) for a parameter. CLI_OK or a status after a message. */
int runaway_cli_read_file(struct cli *c, const char *path, struct strbuf *ret);
/* Parameters "name" and "text" from the file named by the first argument. */
int runaway_cli_file_params(struct cli *c, struct json_writer *w);
/* A process id. CLI_OK or a status after a message. */
int runaway_cli_pid_params(struct cli *c, struct json_writer *w);

/* ---- approve.c ---- */
struct runaway_key;
/* The secret key in a file. CLI_OK or a status after a message. */
int runaway_cli_load_key(struct cli *c, const char *path, struct runaway_key *key);

/* ---- gate_state.c ---- */
/* "disabled", "armed", "disarmed", "not running", "not armed": of a document's "gate". */
const char *runaway_cli_gate_state(const cJSON *gate);

/* ---- client.c ---- */
struct cli_error {
	const char *code; /* static */
	char text[512];
	bool unserved; /* nobody serves that path: what needs no daemon may do without */
};
/*
 * Sends one line, reads one line (newlines not counted) into ret. 0, or -1 with
 * *ret_error. `note` is where to say that we wait; NULL: nowhere.
 */
int runaway_cli_exchange(const char *path, const char *line, size_t len, FILE *note,
			 struct strbuf *ret, struct cli_error *ret_error);

/* ---- program.c ---- */
/* Runs runawayd with these arguments; what it says on standard output. CLI_OK, or its own exit
 * status with its own words. */
int runaway_cli_program(struct cli *c, char **argv, struct strbuf *ret);
/* Runs it in our place: its output and exit status are ours. */
int runaway_cli_become_program(struct cli *c, char **argv);

/* ---- lane_replay.c ---- */
/*
 * runawayd --replay RECORDING --config CONFIG in our place: its output is ours. With -o json its
 * lines are the elements of one array, and its error is an error document. Its exit status.
 */
int runaway_cli_lane_replay(struct cli *c, const char *recording, const char *config);

/* ---- live.c ---- */
/* Calls again each second on a terminal until Ctrl-C or q; else, and with --once, once. */
int runaway_cli_live(struct cli *c);

#endif

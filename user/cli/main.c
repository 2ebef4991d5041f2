/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/cli.h"

static unsigned int terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

static void look_around(struct cli *c)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	c->tty = isatty(STDOUT_FILENO);
	c->width = c->tty ? terminal_width() : 0;
	c->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	c->color = c->tty && !c->no_color && !c->json && !(no_color && *no_color) && term &&
		   strcmp(term, "dumb") != 0;
}

static int run(struct cli *c)
{
	if (c->help)
		return runaway_cli_help(c);
	if (c->version)
		return runaway_cli_version(c);
	return c->verb->run ? c->verb->run(c) : runaway_cli_call(c);
}

int main(int argc, char **argv)
{
	const char *socket = getenv("RUNAWAYD_SOCKET");
	struct cli c = {
		.socket = socket && *socket ? socket : RUNAWAY_CLI_SOCKET,
		.out = stdout,
		.err = stderr,
	};
	int r;

	setlocale(LC_CTYPE, "");
	r = runaway_cli_parse(&c, argc, argv);
	if (r == CLI_OK) {
		look_around(&c);
		r = run(&c);
	}
	/* A full disk or a closed pipe must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && r == CLI_OK)
		r = CLI_FAILED;
	return r;
}

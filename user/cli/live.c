/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A table that is drawn anew each second, until Ctrl-C or q. */

#include <poll.h>
#include <signal.h>
#include <termios.h>

#include "cli/cli.h"

#define REFRESH_MS 1000
#define HOME_CLEAR "\033[H\033[2J"

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Keys come at once and are not echoed; false when standard input is no terminal. */
static bool set_keys(struct termios *ret_old)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return false;
	*ret_old = t;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	return tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

/* Waits for the next second; false when the person wants to stop. */
static bool wait_for_next(bool keys)
{
	struct pollfd p = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
	char key;

	if (poll(&p, 1, REFRESH_MS) <= 0)
		return !stopped;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && !stopped;
}

int runaway_cli_live(struct cli *c)
{
	const struct sigaction on_stop = { .sa_handler = stop };
	struct termios old;
	bool keys;
	int r;

	if (c->json || !c->tty || runaway_cli_option(c, "--once").set)
		return runaway_cli_call(c);
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	keys = set_keys(&old);
	do {
		fputs(HOME_CLEAR, c->out);
		r = runaway_cli_call(c);
		fputs(keys ? "\nq quits\n" : "\nCtrl-C quits\n", c->out);
		fflush(c->out);
	} while (r == CLI_OK && wait_for_next(keys));
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &old);
	return r;
}

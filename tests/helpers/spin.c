/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spin [PERMILLE] [--terms=FILE] [--stay] ...: burns that share of one core (default
 * 1000) until it is killed. With SIGTERM it ends like any program; with a FILE it writes a
 * line into it before, and goes on all the same if it is to stay. Other words are another
 * program's, whose part it plays.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "helper.h"

#define PERIOD_US 20000

#define TERMS "--terms="

static int told_fd;
static bool stays;

static void on_term(int sig)
{
	(void)sig;
	if (write(told_fd, "x\n", 2) != 2)
		_exit(1);
	if (!stays)
		_exit(0);
}

static void tell_terms(const char *path)
{
	struct sigaction sa = { .sa_handler = on_term };

	told_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (told_fd < 0 || sigaction(SIGTERM, &sa, NULL) < 0)
		die(path);
}

int main(int argc, char **argv)
{
	unsigned long permille = argc > 1 ? number(argv[1], 1000) : 1000;
	uint64_t busy_us = PERIOD_US * permille / 1000;

	limit_life();
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], TERMS, strlen(TERMS)) == 0)
			tell_terms(argv[i] + strlen(TERMS));
		stays = stays || strcmp(argv[i], "--stay") == 0;
	}
	for (;;) {
		burn_us(busy_us);
		if (busy_us < PERIOD_US)
			usleep((useconds_t)(PERIOD_US - busy_us));
	}
}

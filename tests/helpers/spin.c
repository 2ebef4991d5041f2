/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spin [PERMILLE]: burns that share of one core (default 1000) until it is
 * killed. With SIGTERM it ends like any program.
 */
#include "helper.h"

#define PERIOD_US 20000

int main(int argc, char **argv)
{
	unsigned long permille = argc > 1 ? number(argv[1], 1000) : 1000;
	uint64_t busy_us = PERIOD_US * permille / 1000;

	limit_life();
	for (;;) {
		burn_us(busy_us);
		if (busy_us < PERIOD_US)
			usleep((useconds_t)(PERIOD_US - busy_us));
	}
}

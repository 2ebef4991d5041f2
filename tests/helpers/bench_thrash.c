/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_thrash MIB PAUSE_MS: writes through MIB of memory, pauses, and again,
 * until it is ended: what other work does to the caches of this CPU.
 */
#include "helper.h"

#define LINE_BYTES 64

int main(int argc, char **argv)
{
	unsigned long bytes, pause_ms;
	volatile char *memory;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_thrash MIB PAUSE_MS\n");
		return 2;
	}
	bytes = number(argv[1], 4096) << 20;
	pause_ms = number(argv[2], 10000);
	limit_life();
	memory = malloc(bytes);
	if (!memory)
		die("malloc");
	for (;;) {
		for (unsigned long i = 0; i < bytes; i += LINE_BYTES)
			memory[i]++;
		usleep((useconds_t)pause_ms * 1000);
	}
}

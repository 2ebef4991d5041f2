/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_late MIB: uses MIB MiB of memory, writes "ready" and waits for a line; then a thread
 * that is brand-new executes this program again, which ends at once. That exec first makes the
 * thread the leader and lets go of the old one, then frees the memory, and only then is told.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "helper.h"

static void *exec_self(void *arg)
{
	char *argv[] = { "exec_late", "0", NULL };

	(void)arg;
	execv("/proc/self/exe", argv);
	die("execv");
	return NULL;
}

int main(int argc, char **argv)
{
	size_t size = (argc == 2 ? number(argv[1], 4096) : 0) << 20;
	char line[8], *memory;
	pthread_t t;

	if (!size)
		return argc != 2;
	limit_life();
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Small pages: many to be freed. */
	if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE))
		die("memory");
	memset(memory, 1, size);
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	if (pthread_create(&t, NULL, exec_self, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
	return 1; /* exec does not return */
}

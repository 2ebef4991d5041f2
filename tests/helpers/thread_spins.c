/* SPDX-License-Identifier: GPL-2.0-or-later */
/* thread_spins: prints the number of a thread that spins; its leader waits for the end of stdin. */
#include <pthread.h>
#include <sys/syscall.h>

#include "helper.h"

static void *spin(void *arg)
{
	(void)arg;
	printf("%ld\n", syscall(SYS_gettid));
	fflush(stdout);
	for (;;)
		;
	return NULL;
}

int main(void)
{
	pthread_t t;
	char c;

	limit_life();
	if (pthread_create(&t, NULL, spin, NULL))
		die("pthread_create");
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}

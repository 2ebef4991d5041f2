/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pidburner: makes threads that end at once, as fast as it can, until stdin ends: each
 * takes a number, so that all numbers of the host come round every second or so.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "helper.h"

static atomic_bool over;

static void *nothing(void *arg)
{
	return arg;
}

static void *burn(void *arg)
{
	pthread_t t;

	while (!over)
		/* No number left for a moment: others live, too. */
		if (pthread_create(&t, NULL, nothing, NULL) == 0)
			pthread_join(t, NULL);
	return arg;
}

int main(void)
{
	pthread_t t;
	char c;

	if (pthread_create(&t, NULL, burn, NULL))
		die("pthread_create");
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	over = true;
	pthread_join(t, NULL);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_ONE_SCENE_H
#define RUNAWAY_TESTS_GATE_ONE_SCENE_H

/* For tests that spoil one scene after the other. */

#include "gate/facts.h"

static struct scene scene, *s = &scene;

static _unused_
int fresh(_unused_ void **state)
{
	scene_set(s);
	return 0;
}

static _unused_
int done(_unused_ void **state)
{
	scene_free(s);
	return 0;
}

static _unused_
int start(_unused_ void **state)
{
	return runaway_digest_init();
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_ATTACK_H
#define RUNAWAY_TESTS_GATE_ATTACK_H

/*
 * The attacker: a gate process that has been taken over completely, and for good
 * measure is root with every capability and no seccomp filter. What it tries, it tries on
 * victims that are nobody's business; the kernel guard alone stands between.
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../helper.h"
#include "gate/guard.h"

/* ---- routes.c ---- */

struct route {
	const char *name;
	/* errno, or 0 when the kernel let it do what it wanted to do to the victim */
	int (*go)(pid_t victim, int pidfd);
	bool arrives;	/* the victim must notice, or it did not work */
	bool everybody; /* touches every process of the machine: in virtual machines only */
};

extern const struct route routes[];
extern const size_t n_routes;

/* One of the nine forbidden ways of a flood; like go() above, but never fatal. */
int flood_step(unsigned int i, pid_t victim, int pidfd);
#define FLOOD_WAYS 9
/* The hook of the guard that has to refuse it. */
extern const enum rw_gate_hook flood_hooks[FLOOD_WAYS];

/* Folder of the victim's cgroup, in the environment: it outlives exec. */
#define VICTIM_CGROUP "GATE_ATTACK_CGROUP"

/* ---- attacker.c ---- */

enum order { ORDER_ROUTE, ORDER_TERM, ORDER_RACE, ORDER_FLOOD };

/* Number of the attacker's socket, in its environment: it outlives exec. */
#define ATTACKER_SOCK "GATE_ATTACK_SOCK"

struct attacker {
	int sock;
	pid_t pid;
};

struct answer {
	int err; /* errno, 0 when it worked; of a race or a flood: how many attempts worked */
	unsigned int other; /* of a flood: attempts that failed otherwise than with EPERM */
	int other_err;	    /* the last one's errno */
};

void attacker_start(struct attacker *a);
/* Sends an order; attacker_answer() has what came of it. */
void attacker_order(const struct attacker *a, enum order what, unsigned int n, pid_t victim);
struct answer attacker_answer(const struct attacker *a);
/* Both; the answer's err. */
int attacker_do(const struct attacker *a, enum order what, unsigned int n, pid_t victim);
void attacker_stop(struct attacker *a);
/* The loop itself, for the program that an attacker has made of itself by exec. */
_Noreturn void attacker_loop(int sock);

/* ---- victim.c ---- */

struct victim {
	pid_t pid;
	int go;			   /* a byte makes it call exec, the end of the pipe ends it */
	_Atomic unsigned int *got; /* signals it has received, by number; shared */
};

/* pid: 0, or the number it must have (clone3 with set_tid). cgroup: folder or NULL. */
void victim_start(struct victim *v, pid_t pid, const char *cgroup);
void victim_exec(struct victim *v);
void victim_stop(struct victim *v);
unsigned int victim_signals(const struct victim *v);
/* Dead, stopped, frozen, or with any signal received. */
bool victim_disturbed(const struct victim *v);
/* The program that a victim becomes by exec. */
_Noreturn void victim_main(int go, int page);

/* ---- trials.c ---- */

/* Witness records that were read so far. */
struct seen {
	uint64_t records, allowed;
	struct rw_gate_witness last;
};

extern struct seen seen;
void drain(void);
/* True as soon as it is; false when it was left in peace. */
bool await_disturbed(const struct victim *v);
void trials(void);

/* ---- attack.c ---- */

struct attack {
	bool by_cgroup, everybody, control;
	const char *top, *expect;
	unsigned int attempts;
	char subjects[256], victims[256];
	unsigned int passed, failed;
	struct runaway_guard *guard;
	struct attacker attacker;
};

extern struct attack t;
/* One line of TAP. */
void tell(bool ok, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Folder, or NULL where there is none. */
const char *victims_cgroup(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_SHAPES_PARTS_H
#define RUNAWAY_TESTS_SHAPES_PARTS_H

/*
 * The parts that are played in the shapes: 'c' the child, 'o' its origin, 's' a subreaper,
 * 'i' a namespace's init, 'p' the origin's parent, 't' a thread.
 */

#include <pthread.h>
#include <sys/prctl.h>

#include "shapes.h"

#define CHAIN 30 /* subreapers below each other */

static void child(void)
{
	tell('c');
	stay();
}

static void origin(void)
{
	spawn(child);
	tell('o');
	stay();
}

static void origin_ends(void)
{
	spawn(child);
	tell('o');
}

static void origin_fails(void)
{
	origin_ends();
	_exit(3);
}

static void origin_in_session(void)
{
	setsid();
	origin_ends();
}

static void origin_in_group(void)
{
	setpgid(0, 0);
	origin();
}

static void child_in_session(void)
{
	setsid();
	child();
}

static void origin_of_daemon(void)
{
	spawn(child_in_session);
	tell('o');
}

static void forks_origin(void)
{
	spawn(origin_ends);
}

static void exec_stay(const char *letter)
{
	char m[16], h[16];
	char *argv[] = { "shapes", "stay", m, h, (char *)letter, NULL };

	snprintf(m, sizeof(m), "%d", mouth);
	snprintf(h, sizeof(h), "%d", hold_r);
	close(hold_w);
	execv("/proc/self/exe", argv);
	die("execv");
}

static void origin_of_exec(void)
{
	pid_t pid = vfork(); /* NOLINT: what is tried */

	if (pid == 0)
		exec_stay("c");
	tell('o');
	stay();
}

static void origin_execs(void)
{
	spawn(child);
	exec_stay("o");
}

/* Its parent waits in vfork() for ever. */
static void origin_in_vfork(void)
{
	tell('o');
	if (vfork() == 0) /* NOLINT: what is tried */
		child();
}

static void child_dies_along(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	child();
}

static void origin_of_loyal(void)
{
	spawn(child_dies_along);
	tell('o');
	stay();
}

static void child_says_and_ends(void)
{
	tell('c');
}

static void origin_of_zombie(void)
{
	wait_dead(spawn(child_says_and_ends));
	tell('o');
	stay();
}

static void subreaper_of_zombie(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		die("subreaper");
	tell('s');
	/* Zombies that fall to it are buried by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0) {
		signal(SIGCHLD, SIG_DFL);
		origin_of_zombie();
	}
	stay();
}

static void child_deaf(void)
{
	signal(SIGHUP, SIG_IGN);
	child();
}

static void origin_of_deaf(void)
{
	setpgid(0, 0);
	spawn(child_deaf);
	tell('o');
	stay();
}

static void child_of_parents_parent(void)
{
	struct clone_args args = { .flags = CLONE_PARENT };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die("CLONE_PARENT");
	if (pid == 0)
		child();
	tell('o');
	stay();
}

/* ---- threads ---- */
static void *thread_forks(void *arg)
{
	spawn(child);
	return arg;
}

static void *thread_stays(void *arg)
{
	stay();
	return arg;
}

static void start(void *(*fn)(void *), pthread_t *ret)
{
	if (pthread_create(ret, NULL, fn, NULL))
		die("pthread_create");
}

static void origin_of_thread_ended(void)
{
	pthread_t t;

	start(thread_forks, &t);
	pthread_join(t, NULL);
	tell('o');
	stay();
}

static void *thread_forks_and_stays(void *arg)
{
	spawn(child);
	tell('t');
	stay();
	return arg;
}

static void origin_of_thread(void)
{
	pthread_t t;

	start(thread_forks_and_stays, &t);
	tell('o');
	stay();
}

static void leader_ends(void)
{
	pthread_t t;

	spawn(child);
	start(thread_stays, &t);
	tell('o');
	syscall(SYS_exit, 0);
}

static void *thread_execs(void *arg)
{
	exec_stay("o");
	return arg;
}

static void origin_execs_by_thread(void)
{
	pthread_t t;

	spawn(child);
	start(thread_execs, &t);
	for (;;)
		pause();
}

/* ---- subreapers ---- */
static void become_subreaper(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		die("subreaper");
}

static void subreaper(void)
{
	become_subreaper();
	tell('s');
	spawn(origin);
	stay();
}

static void subreaper_no_more(void)
{
	become_subreaper();
	spawn(origin);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	tell('s');
	stay();
}

static void subreaper_without_leader(void)
{
	pthread_t t;

	become_subreaper();
	start(thread_stays, &t);
	spawn(origin);
	tell('s');
	syscall(SYS_exit, 0);
}

static void chain_of(int left, void (*last)(void))
{
	become_subreaper();
	if (left == 0) {
		last();
		return;
	}
	if (fork() == 0)
		chain_of(left - 1, last);
	stay();
}

static void chain(void)
{
	chain_of(CHAIN, subreaper);
}

/* ---- namespaces ---- */
static void ns_init(void)
{
	tell('i');
	spawn(origin);
	stay();
}

static void ns_init_of_ns(void)
{
	spawn_ns(CLONE_NEWPID, ns_init);
	stay();
}

static void ns_init_with_subreaper(void)
{
	tell('i');
	spawn(subreaper);
	stay();
}

/* Its child is pid 1 of a namespace of its own, as a sandboxed renderer is. */
static void origin_of_ns_init(void)
{
	spawn_ns(CLONE_NEWPID, child);
	tell('o');
	stay();
}

static void parent_ignores(void)
{
	signal(SIGCHLD, SIG_IGN);
	tell('p');
	spawn(origin);
	stay();
}

static void parent(void)
{
	tell('p');
	spawn(child_of_parents_parent);
	stay();
}

#endif

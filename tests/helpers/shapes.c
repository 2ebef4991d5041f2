/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shapes [NAME ROUNDS BATCH]: ways in which a child changes its parent, or seems to.
 * Without arguments prints the names. Plays the shape ROUNDS times and prints "EXPECT ORIGIN
 * CHILD" for each: what became of the child is `orphan` (it went to a reaper), `kept` (its
 * parent is no reaper's gift) or `gone`. After BATCH rounds it prints "batch" and waits for
 * a line on stdin with all who stay alive; then they end.
 */
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "shapes_parts.h"

static void tracer(void)
{
	if (ptrace(PTRACE_SEIZE, met['x'], NULL, NULL))
		die("PTRACE_SEIZE");
	tell('t');
	stay();
}

/* ---- shapes ---- */
struct shape {
	const char *name, *expect;
	void (*part)(void);
	const char *cast; /* who speaks before the steps begin */
	/* Pairs of what and who: K kill, T terminate, V fault, S stop, A kill and go on at
	 * once, W wait for the end, X let somebody trace it. */
	const char *steps;
	int ns; /* flags of the clone that begins it */
};

static const struct shape shapes[] = {
	{ "exit_0", "orphan", origin_ends, "oc", "Wo", 0 },
	{ "exit_3", "orphan", origin_fails, "oc", "Wo", 0 },
	{ "sigkill", "orphan", origin, "oc", "Ko", 0 },
	{ "sigterm", "orphan", origin, "oc", "To", 0 },
	{ "sigsegv", "orphan", origin, "oc", "Vo", 0 },
	{ "double_fork", "orphan", forks_origin, "oc", "Wo", 0 },
	{ "origin_in_session", "orphan", origin_in_session, "oc", "Wo", 0 },
	{ "origin_in_group", "orphan", origin_in_group, "oc", "Ko", 0 },
	{ "daemon", "orphan", origin_of_daemon, "oc", "Wo", 0 },
	{ "child_execs", "orphan", origin_of_exec, "oc", "Ko", 0 },
	{ "origin_execs", "orphan", origin_execs, "oc", "Ko", 0 },
	{ "origin_in_vfork", "orphan", origin_in_vfork, "oc", "Ko", 0 },
	{ "origin_stopped", "orphan", origin, "oc", "SoKo", 0 },
	{ "child_stopped", "orphan", origin_of_deaf, "oc", "ScKo", 0 },
	{ "origin_reaped_by_kernel", "orphan", parent_ignores, "poc", "Ko", 0 },
	{ "child_dies_along", "gone", origin_of_loyal, "oc", "KoWc", 0 },
	{ "child_is_zombie", "gone", subreaper_of_zombie, "soc", "Ko", 0 },
	{ "child_traced", "orphan", origin, "oc", "XcKo", 0 },
	{ "origin_traced", "orphan", origin, "oc", "XoKo", 0 },
	{ "thread_forks", "orphan", origin_of_thread, "otc", "Ko", 0 },
	{ "thread_ends", "kept", origin_of_thread_ended, "oc", "", 0 },
	{ "thread_ends_then_all", "orphan", origin_of_thread_ended, "oc", "Ko", 0 },
	{ "leader_ends", "kept", leader_ends, "oc", "", 0 },
	{ "leader_ends_then_all", "orphan", leader_ends, "oc", "Ko", 0 },
	{ "thread_execs", "kept", origin_execs_by_thread, "oc", "", 0 },
	{ "thread_execs_then_all", "orphan", origin_execs_by_thread, "oc", "Ko", 0 },
	{ "clone_parent", "kept", parent, "poc", "Ko", 0 },
	{ "clone_parent_then_parent", "orphan", parent, "poc", "KoKp", 0 },
	{ "subreaper", "orphan", subreaper, "soc", "Ko", 0 },
	{ "subreaper_chain", "orphan", chain, "soc", "Ko", 0 },
	{ "subreaper_dies_after", "orphan", chain, "soc", "KoKs", 0 },
	{ "subreaper_dies_before", "orphan", chain, "soc", "KsKo", 0 },
	{ "subreaper_dies_along", "orphan", chain, "soc", "AoAsWoWs", 0 },
	{ "subreaper_no_more", "orphan", subreaper_no_more, "soc", "Ko", 0 },
	{ "subreaper_without_leader", "orphan", subreaper_without_leader, "soc", "Ko", 0 },
	{ "pid_ns", "orphan", ns_init, "ioc", "Ko", CLONE_NEWPID },
	{ "pid_ns_in_pid_ns", "orphan", ns_init_of_ns, "ioc", "Ko", CLONE_NEWPID },
	{ "pid_ns_with_subreaper", "orphan", ns_init_with_subreaper, "isoc", "Ko", CLONE_NEWPID },
	{ "pid_ns_of_user_ns", "orphan", ns_init, "ioc", "Ko", CLONE_NEWPID | CLONE_NEWUSER },
	{ "pid_ns_ends", "gone", ns_init, "ioc", "KiWc", CLONE_NEWPID },
	{ "child_is_pid_1", "orphan", origin_of_ns_init, "oc", "Ko", 0 },
};

static void step(char what, pid_t who)
{
	switch (what) {
	case 'K':
		end(who, SIGKILL);
		break;
	case 'T':
		end(who, SIGTERM);
		break;
	case 'V':
		end(who, SIGSEGV);
		break;
	case 'W':
		wait_dead(who);
		break;
	case 'X':
		met['x'] = who;
		spawn(tracer);
		meet("t");
		break;
	default:
		if (kill(who, what == 'S' ? SIGSTOP : SIGKILL))
			die("kill");
	}
	/* Dead and ours: its number may be used again from here on. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void play(const struct shape *s)
{
	if (s->ns)
		spawn_ns(s->ns, s->part);
	else
		spawn(s->part);
	meet(s->cast);
	for (const char *p = s->steps; *p; p += 2)
		step(p[0], met[(int)p[1]]);
	printf("%s %d %d\n", s->expect, met['o'], met['c']);
}

static void batch_ends(void)
{
	char line[16];

	puts("batch");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		_exit(0);
	close(hold_w);
	close(hold_r);
	close(ears);
	close(mouth);
	while (wait(NULL) >= 0 || errno == EINTR)
		;
}

static int rounds(const struct shape *s, unsigned long count, unsigned long batch)
{
	for (unsigned long i = 0; i < count; i++) {
		if (i % batch == 0)
			stage_open();
		play(s);
		if ((i + 1) % batch == 0 || i + 1 == count)
			batch_ends();
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit no_core = { 0, 0 };

	if (argc == 5 && !strcmp(argv[1], "stay")) {
		mouth = (int)number(argv[2], 1000000);
		hold_r = (int)number(argv[3], 1000000);
		hold_w = -1;
		tell(argv[4][0]);
		stay();
	}
	if (setrlimit(RLIMIT_CORE, &no_core))
		die("setrlimit");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (argc == 1)
			puts(shapes[i].name);
		else if (argc == 4 && !strcmp(argv[1], shapes[i].name))
			return rounds(&shapes[i], number(argv[2], 1000000), number(argv[3], 10000));
	}
	return argc == 1 ? 0 : 2;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate_attack [--by pid|cgroup] [--cgroup TOP] [--expect T1..T5] [--attempts N] [--everybody]
 *             [--no-control]
 *
 * First without a guard: each route of the attacker must hurt its victim, or the test
 * of the guard proves nothing. Then the guard is opened, as runaway-gate opens it, and the
 * same routes must not; one authorised SIGTERM must; and N forbidden attempts are made while
 * other processes preempt whatever runs. What the guard claims (its tier) must be what it does.
 *
 * --by: how the attacker is known as a subject. TOP: folder of a v2 cgroup to make others in;
 * without it routes by way of cgroups are left out. Prints TAP.
 */

#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attack.h"

struct attack t = { .attempts = 2000, .control = true };

void tell(bool ok, const char *name, const char *fmt, ...)
{
	va_list ap;

	*(ok ? &t.passed : &t.failed) += 1;
	printf("%s %s - ", ok ? "ok" : "not ok", name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* ---- cgroups ---- */

static void make_cgroups(void)
{
	if (!t.top)
		return;
	snprintf(t.subjects, sizeof(t.subjects), "%s/gate-attack-subjects.%d", t.top,
		 (int)getpid());
	snprintf(t.victims, sizeof(t.victims), "%s/gate-attack-victims.%d", t.top, (int)getpid());
	if (mkdir(t.subjects, 0755) || mkdir(t.victims, 0755))
		die("mkdir in the cgroup");
	setenv(VICTIM_CGROUP, t.victims, 1);
}

static void put(const char *folder, pid_t pid)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d", (int)pid) < 0 || fclose(f))
		die(path);
}

static void remove_cgroup(const char *folder)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + 5000000000ULL;

	while (*folder && rmdir(folder) && errno == EBUSY && now_ns(CLOCK_MONOTONIC) < end)
		usleep(10000);
}

const char *victims_cgroup(void)
{
	return t.top ? t.victims : NULL;
}

/* ---- routes ---- */

static bool left_out(const struct route *r)
{
	return r->everybody && !t.everybody;
}

static bool absent(int err)
{
	return err == ENOENT || err == ENOSYS || err == EOPNOTSUPP || err == EINVAL;
}

/* Without a guard. What hurts by the effect of its success is believed; a signal must arrive. */
static void control(size_t i)
{
	char name[64];
	struct victim v;
	int err;

	snprintf(name, sizeof(name), "without/%s", routes[i].name);
	victim_start(&v, 0, victims_cgroup());
	err = attacker_do(&t.attacker, ORDER_ROUTE, (unsigned int)i, v.pid);
	if (absent(err))
		printf("# %s: not on this kernel (%s)\n", routes[i].name, strerror(err));
	else
		tell(err == 0 && (!routes[i].arrives || await_disturbed(&v)), name, "%s",
		     err ? strerror(err) : "it works, so its refusal means something");
	victim_stop(&v);
}

static void guarded(size_t i, struct victim *v)
{
	char name[64];
	uint64_t before;
	int err;

	snprintf(name, sizeof(name), "guarded/%s", routes[i].name);
	drain();
	before = seen.records;
	victim_start(v, 0, victims_cgroup());
	err = attacker_do(&t.attacker, ORDER_ROUTE, (unsigned int)i, v->pid);
	drain();
	if (absent(err)) {
		printf("# %s: not on this kernel (%s)\n", routes[i].name, strerror(err));
		return;
	}
	tell((err == EPERM || err == EACCES || err == EAGAIN || routes[i].everybody) &&
		     seen.records > before && !victim_disturbed(v),
	     name, "%s, %llu written down", strerror(err),
	     (unsigned long long)(seen.records - before));
}

static void guarded_routes(void)
{
	struct victim v[64];
	unsigned int late = 0, n = 0;

	for (size_t i = 0; i < n_routes; i++)
		if (!left_out(&routes[i]))
			guarded(i, &v[n++]);
	/* What takes its time has had it by now. */
	for (unsigned int i = 0; i < n; i++) {
		late += victim_disturbed(&v[i]);
		victim_stop(&v[i]);
	}
	tell(late == 0, "guarded/afterwards", "%u of %u victims disturbed", late, n);
}

/* ---- the whole ---- */

static void open_guard(void)
{
	struct runaway_guard_config c = { .uid = 65534, .gid = 65534, .cgroup_ssid = -1 };
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	enum runaway_guard_tier tier;
	int r;

	if (t.by_cgroup) {
		put(t.subjects, t.attacker.pid);
		c.cgroup = t.subjects;
		c.cgroup_may = RW_GATE_MAY_TERM;
	} else {
		c.subjects[0] = (struct runaway_guard_subject){ t.attacker.pid, RW_GATE_MAY_TERM };
		c.n_subjects = 1;
	}
	r = runaway_guard_open(&c, &t.guard);
	if (r < 0) {
		errno = -r;
		die("runaway_guard_open");
	}
	tier = runaway_guard_tier(t.guard);
	tell(!t.expect || strcmp(t.expect, runaway_guard_tier_code(tier)) == 0, "tier",
	     "%s %s: %s (%.1f s)", runaway_guard_tier_code(tier), runaway_guard_tier_name(tier),
	     runaway_guard_why(t.guard), (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
}

static void self_test_again(void)
{
	struct runaway_guard_report r;
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	int e = runaway_guard_self_test(t.guard, &r);

	tell(e == 0 && r.passed, "self_test", "%zu outcomes in %.1f ms %s", r.n,
	     (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6, r.why);
}

/* Without a guard nothing may be claimed, and nothing may look like an authorisation. */
static void unguarded(void)
{
	struct runaway_guard_target target = { .tgid = 1 };
	struct rw_gate_witness w;
	int fds[1];

	tell(!runaway_guard_enforced(t.guard), "unguarded/claim", "not enforced");
	tell(runaway_guard_authorise(t.guard, &target) == RUNAWAY_GUARD_NOT_CHECKED,
	     "unguarded/authorise", "says that nothing is checked");
	tell(runaway_guard_revoke(t.guard, 1) == -ENOENT, "unguarded/revoke", "there is nothing");
	tell(runaway_guard_witness_next(t.guard, &w) == 0 && runaway_guard_witness_fd(t.guard) < 0,
	     "unguarded/witness", "nothing is written down");
	tell(runaway_guard_links(t.guard, fds, 1) == 0, "unguarded/links", "none");
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "by", required_argument, NULL, 'b' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "expect", required_argument, NULL, 'e' },
		{ "attempts", required_argument, NULL, 'n' },
		{ "everybody", no_argument, NULL, 'a' },
		{ "no-control", no_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (o == 'b')
			t.by_cgroup = strcmp(optarg, "cgroup") == 0;
		else if (o == 'c')
			t.top = optarg;
		else if (o == 'e')
			t.expect = optarg;
		else if (o == 'n')
			t.attempts = (unsigned int)strtoul(optarg, NULL, 10);
		else if (o == 'a')
			t.everybody = true;
		else if (o == 'x')
			t.control = false;
		else
			exit(2);
	}
	if (t.by_cgroup && !t.top) {
		fprintf(stderr, "gate_attack: --by cgroup needs --cgroup\n");
		exit(2);
	}
}

static void attack(void)
{
	guarded_routes();
	trials();
	self_test_again();
}

int main(int argc, char **argv)
{
	struct answer done = { 0 };

	if (argc == 4 && strcmp(argv[1], "victim") == 0)
		victim_main((int)strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10));
	if (argc == 2 && strcmp(argv[1], "attacker") == 0) {
		int sock = (int)strtol(getenv(ATTACKER_SOCK), NULL, 10);

		if (write(sock, &done, sizeof(done)) != (ssize_t)sizeof(done))
			return 1;
		attacker_loop(sock);
	}
	options(argc, argv);
	limit_life();
	make_cgroups();
	attacker_start(&t.attacker);
	for (size_t i = 0; i < n_routes; i++)
		if (t.control && !left_out(&routes[i]))
			control(i);
	open_guard();
	if (runaway_guard_tier(t.guard) <= RUNAWAY_GUARD_BEST_EFFORT)
		attack();
	else
		unguarded();
	attacker_stop(&t.attacker);
	runaway_guard_close(t.guard);
	while (waitpid(-1, NULL, 0) > 0)
		;
	remove_cgroup(t.subjects);
	remove_cgroup(t.victims);
	printf("# passed=%u failed=%u skipped=0\n", t.passed, t.failed);
	return t.failed ? 1 : 0;
}

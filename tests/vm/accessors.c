// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * accessors [v1]: what the accessors of bpf/compat.h say, a line of `name=value` for each on stdin:
 *
 * `task PID`: the process (with v1 its cgroup in the hierarchy of cpuacct), or `none`.
 *
 * `watch PID`: its signals are looked at, and the ends of its children counted.
 *
 * `seen`: what was seen of those.
 *
 * `nothing`: how often was read through NULL, and what came of it.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runaway/wire.h"
#include "accessors.h"
#include "accessors.skel.h"

/* 1: something was written, all of ret; 0: nothing. */
static int walk(const struct bpf_link *link, struct accessors *ret)
{
	int fd = bpf_iter_create(bpf_link__fd(link));
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, (char *)ret + have, sizeof(*ret) - have)) > 0)
		have += (size_t)n;
	close(fd);
	return n < 0 ? -errno : have == sizeof(*ret);
}

/* Leaf first and NUL behind each: as /proc has it. */
static void say_path(const struct accessors *a)
{
	size_t end = a->path_len, at;

	printf(" exe=");
	while (end > 0) {
		for (at = end - 1; at > 0 && a->path[at - 1]; at--)
			;
		printf("/%s", a->path + at);
		end = at;
	}
	printf("\n");
}

static int say_task(struct accessors_bpf *skel, unsigned int pid)
{
	struct accessors a;
	int r;

	skel->bss->ask = pid;
	r = walk(skel->links.ask_task, &a);
	if (r < 0)
		return r;
	if (r == 0) {
		printf("none\n");
		return 0;
	}
	printf("rss=%llu start=%llu cpu=%llu exec_id=%llu ino=%llu dev=%u pgid=%u sid=%u uid=%u ",
	       a.rss_bytes, a.start_ns, a.leader_cpu_ns, a.exec_id, a.exe_ino, a.exe_dev, a.pgid,
	       a.sid, a.uid);
	printf("ppid=%u live=%d listed=%d status=%d init=%d subreaper=%d zombie=%d subsys=%d ",
	       a.ppid, a.live, a.listed, a.exit_status, !!(a.flags & RW_TF_NS_INIT),
	       !!(a.flags & RW_TF_SUBREAPER), !!(a.flags & RW_TF_ZOMBIE), a.subsys);
	printf("same=%u cgroups=", a.same);
	for (size_t i = 0; i < ACCESSORS_DEPTH && a.cgroup[i]; i++)
		printf("%s%llu", i ? "," : "", a.cgroup[i]);
	say_path(&a);
	return 0;
}

static int say_nothing(struct accessors_bpf *skel)
{
	struct accessors none;
	int r;

	skel->bss->faults = 0;
	r = walk(skel->links.ask_nothing, &none);
	printf("faults=%llu read=%llu\n", skel->bss->faults, skel->bss->faults_read);
	return r;
}

static int serve(struct accessors_bpf *skel)
{
	unsigned int pid;
	char line[64];
	int r = 0;

	printf("ready\n");
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "task %u", &pid) == 1) {
			r = say_task(skel, pid);
		} else if (strcmp(line, "nothing\n") == 0) {
			r = say_nothing(skel);
		} else {
			if (sscanf(line, "watch %u", &pid) == 1)
				skel->bss->signals_of = skel->bss->exits_of = pid;
			printf("signal=%d code=%d exits=%llu\n", skel->bss->signal_number,
			       skel->bss->signal_code, skel->bss->exits);
		}
	}
	return r;
}

static int begin(struct accessors_bpf *skel, bool v1)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r;

	bpf_program__set_autoattach(skel->progs.rw_features_ask, false);
	r = accessors_bpf__load(skel);
	if (r < 0)
		return r;
	skel->bss->v1 = v1;
	skel->bss->page_size = (__u32)getpagesize();
	r = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.rw_features_ask), &opts);
	return r < 0 ? r : accessors_bpf__attach(skel);
}

int main(int argc, char **argv)
{
	struct accessors_bpf *skel = accessors_bpf__open();
	int r;

	if (!skel)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = begin(skel, argc > 1 && strcmp(argv[1], "v1") == 0);
	if (r == 0)
		r = serve(skel);
	if (r < 0)
		fprintf(stderr, "accessors: %s\n", strerror(-r));
	accessors_bpf__destroy(skel);
	return r < 0;
}

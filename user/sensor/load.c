// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening the skeleton for this kernel, loading, attaching and pinning it. */

#include <fcntl.h>
#include <string.h>

#include "base/btf.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

/* What libbpf calls a warning may be a probe that was expected to fail. */
static _printf_(2, 0) int to_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level != LIBBPF_DEBUG)
		runaway_log_lines(RUNAWAY_LOG_DEBUG, fmt, args);
	return 0;
}

static void marker_add(struct rw_marker_set *set, const char *name)
{
	struct rw_marker *m = &set->marker[set->count];
	char with[RW_MARKER_NAME] = { 0 };
	int n = snprintf(with, sizeof(with), "%s=", name);
	uint32_t h;

	/* The filter looks at three bytes: "A=" and a value's first byte would be too many. */
	if (n < 3 || (size_t)n >= sizeof(with) || set->count == RW_MARKER_NAMES) {
		log_warning("CI marker name left out (one letter, too long, or too many): %s",
			    name);
		return;
	}
	memcpy(m->word, with, sizeof(m->word));
	set->first[rw_marker_first((uint32_t)m->word[0])] = 1;
	h = rw_marker_hash(m->word);
	set->next[set->count] = set->slot[h];
	set->slot[h] = (uint8_t)++set->count;
}

void sensor_markers_fill(struct rw_marker_set *ret, const char *const *names)
{
	memset(ret, 0, sizeof(*ret));
	for (; names && *names; names++)
		marker_add(ret, *names);
}

int sensor_set_markers(struct runaway_sensor *s, const char *const *names)
{
	_cleanup_free_ struct rw_marker_set *set = calloc(1, sizeof(*set));
	uint32_t zero = 0;

	if (!set)
		return -ENOMEM;
	sensor_markers_fill(set, names);
	set->generation = 1;
	if (!s->markers)
		return bpf_map__update_elem(s->skel->maps.rw_markers, &zero, sizeof(zero), set,
					    sizeof(*set), BPF_ANY);
	/*
	 * An exec in this moment may see a part of either list, as it would with bpf(); what
	 * it remembers of that is void with the generation's change.
	 */
	set->generation = s->markers->generation;
	memcpy(s->markers, set, sizeof(*set));
	__atomic_store_n(&s->markers->generation, set->generation + 1 ?: 1, __ATOMIC_RELEASE);
	return 0;
}

static uint32_t ring_size(uint32_t asked, uint32_t def)
{
	uint32_t page = getpagesize(), size = asked ? asked : def, p = page;

	while (p < size && p < (1u << 30))
		p *= 2;
	return p;
}

static void set_sizes(struct runaway_sensor *s, const struct runaway_sensor_config *c)
{
	struct rw_bpf *k = s->skel;

	s->max_processes = MAX(c->max_processes, 16u);
	s->max_cgroups = MAX(c->max_cgroups, 16u);
	/* Pinned, it has to hold what happens while the daemon is replaced. */
	s->events_bytes = ring_size(c->events_ring_bytes, c->pin_dir ? 2u << 20 : 1u << 20);
	s->samples_bytes = ring_size(c->samples_ring_bytes, 1u << 20);
	bpf_map__set_max_entries(k->maps.rw_procs, s->max_processes);
	bpf_map__set_max_entries(k->maps.rw_threads, s->max_processes * 4);
	bpf_map__set_max_entries(k->maps.rw_cgroups, s->max_cgroups);
	bpf_map__set_max_entries(k->maps.rw_counters, (uint32_t)libbpf_num_possible_cpus());
	bpf_map__set_max_entries(k->maps.rw_events, s->events_bytes);
	bpf_map__set_max_entries(k->maps.rw_samples, s->samples_bytes);
	k->rodata->rw_events_wake = s->events_bytes / 4;
	k->rodata->rw_samples_wake = s->samples_bytes / 4;
	k->rodata->rw_page_size = getpagesize();
}

/* In which hierarchy a task's cgroup counts. */
static int set_hierarchy(struct runaway_sensor *s)
{
	bool cpuacct = s->cgroup_tree && strstr(s->cgroup_tree, "cpuacct");
	int id;

	s->skel->rodata->rw_cgroup_ssid = -1;
	s->skel->rodata->rw_hierarchy_id = 0;
	s->features.cgroup_ssid = -1;
	s->features.cgroup_controller = "";
	if (s->features.cgroups != RUNAWAY_CGROUPS_V1)
		return 0;
	id = sensor_cgroups_hierarchy(s->proc_root, cpuacct ? "cpuacct" : "cpu");
	if (id < 0)
		return id;
	s->skel->rodata->rw_cgroup_ssid = cpuacct ? s->ssid_cpuacct : s->ssid_cpu;
	s->skel->rodata->rw_hierarchy_id = id;
	s->features.cgroup_ssid = s->skel->rodata->rw_cgroup_ssid;
	s->features.cgroup_controller = cpuacct ? "cpuacct" : "cpu";
	return 0;
}

/*
 * The scratch of the exec program holds a piece of somebody's environment. The
 * program keeps the maps; this process, which will serve strangers, gives its
 * way to them up.
 */
static int give_up_scratch(struct runaway_sensor *s)
{
	const int fds[] = { bpf_map__fd(s->skel->maps.rw_exec_buf),
			    bpf_map__fd(s->skel->maps.rw_env_buf) };
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (dup3(null, fds[i], O_CLOEXEC) < 0)
			return -errno;
	return 0;
}

/* The walk over a map has to be told which one. */
static int attach_all(struct runaway_sensor *s)
{
	union bpf_iter_link_info which = { .map.map_fd = (uint32_t)bpf_map__fd(
						   s->skel->maps.rw_cgroups) };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &which,
		    .link_info_len = sizeof(which));

	bpf_program__set_autoattach(s->skel->progs.rw_cg_walk, false);
	s->skel->links.rw_cg_walk = bpf_program__attach_iter(s->skel->progs.rw_cg_walk, &opts);
	if (!s->skel->links.rw_cg_walk)
		return -errno;
	return rw_bpf__attach(s->skel);
}

/* Which programs this kernel takes, found by trying. */
static int probe(struct runaway_sensor *s, unsigned int without)
{
	int r;

	r = sensor_features_choose(&s->features, without);
	if (r == -EPERM || r == -EACCES)
		return log_error_errno(-EPERM,
				       "loading BPF programs needs root, or CAP_BPF and "
				       "CAP_PERFMON%s",
				       sensor_gaps_user_namespace(s)
					       ? ", in the host's user namespace (Kubernetes "
						 "`hostUsers: true`; this is another one)"
					       : "");
	if (access(RUNAWAY_KERNEL_BTF, R_OK) < 0)
		return log_error_errno(-ENOTSUP, "this kernel has no BTF (" RUNAWAY_KERNEL_BTF "); "
						 "CONFIG_DEBUG_INFO_BTF is needed");
	/* Once, here: the object may be opened twice. */
	if (r == 0 && s->features.cgroups == RUNAWAY_CGROUPS_V1)
		r = sensor_features_ask_ssids(&s->ssid_cpu, &s->ssid_cpuacct);
	if (r < 0)
		return log_error_errno(r, "cannot ask the kernel for its features");
	return 0;
}

struct rw_bpf *sensor_open_skel(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = RUNAWAY_KERNEL_BTF);

	return rw_bpf__open_opts(&opts);
}

static int open_object(struct runaway_sensor *s, const struct runaway_sensor_config *c)
{
	int r;

	s->skel = sensor_open_skel();
	if (!s->skel)
		return log_error_errno(-errno, "cannot open the BPF object");
	set_sizes(s, c);
	r = set_hierarchy(s);
	if (r < 0)
		return log_error_errno(r, "cannot find the cgroup hierarchy");
	bpf_program__set_autoload(s->skel->progs.rw_reparent, s->features.fentry_reparent);
	bpf_program__set_autoload(s->skel->progs.rw_hot, s->features.hot_pass);
	bpf_program__set_autoload(s->skel->progs.rw_features_ask, false);
	return 0;
}

/* The programs that were loaded here, in the same form as adopted ones. */
static void note_progs(struct runaway_sensor *s)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, s->skel->obj)
	{
		struct sensor_prog *p = &s->prog[s->prog_count];

		if (!bpf_program__autoload(prog) || s->prog_count == RUNAWAY_PROGS_MAX)
			continue;
		snprintf(p->name, sizeof(p->name), "%s", bpf_program__name(prog));
		p->fd = bpf_program__fd(prog);
		s->prog_count++;
	}
	s->task_walk.link_fd = bpf_link__fd(s->skel->links.rw_walk);
	s->cgroup_walk.link_fd = bpf_link__fd(s->skel->links.rw_cg_walk);
	if (s->features.hot_pass)
		s->hot_prog_fd = bpf_program__fd(s->skel->progs.rw_hot);
}

static int load_and_attach(struct runaway_sensor *s)
{
	bool optional = s->features.fentry_reparent || s->features.hot_pass;
	int r;

	r = rw_bpf__load(s->skel);
	if (r < 0)
		return log_error_errno(r,
				       "the kernel refused the BPF programs (--log-level debug "
				       "shows the verifier)%s",
				       optional ? "; --without fentry,hot does without those that "
						  "not every kernel takes"
						: "");
	r = sensor_set_markers(s, s->marker_names);
	if (r < 0)
		return log_error_errno(r, "cannot set the CI marker names");
	/* CPU used before this moment is nobody's business. */
	s->skel->bss->rw_attached_ns = runaway_boot_ns();
	r = sensor_watch_open(s);
	if (r < 0)
		return log_error_errno(r, "cannot map the list of watched processes");
	r = attach_all(s);
	if (r < 0)
		return log_error_errno(r, "cannot attach the BPF programs");
	note_progs(s);
	r = give_up_scratch(s);
	return r < 0 ? log_error_errno(r, "cannot give up the scratch of the exec program") : 0;
}

/* The maps of the pinned programs become the skeleton's; nothing is loaded. */
static int load_adopted(struct runaway_sensor *s)
{
	int r;

	r = rw_bpf__load(s->skel);
	if (r == 0)
		r = sensor_set_markers(s, s->marker_names);
	if (r == 0)
		r = sensor_watch_open(s);
	if (r < 0)
		return log_error_errno(r,
				       "cannot use the pinned maps in %s (runawayd --unload "
				       "removes them)",
				       s->pin_dir);
	s->continuity.pins = RUNAWAY_PINS_ADOPTED;
	log_info("adopted the pins in %s: the kernel side goes on", s->pin_dir);
	return 0;
}

/* What is pinned and is not this daemon's goes, aloud. */
static int clear_pins(struct runaway_sensor *s)
{
	int r = sensor_pins_remove(s->pin_dir);

	if (r < 0)
		return log_error_errno(r, "cannot remove the pins in %s", s->pin_dir);
	s->continuity.pins = r ? RUNAWAY_PINS_REPLACED : RUNAWAY_PINS_MADE;
	if (!r)
		s->continuity.why[0] = '\0';
	else
		log_warning("replaced the pins that an earlier daemon left in %s: %s", s->pin_dir,
			    s->continuity.why);
	return 0;
}

/* Opens what is pinned, or makes room for what will be. 1: the pins are ours. */
static int look_at_pins(struct runaway_sensor *s, const struct runaway_sensor_config *c)
{
	int r;

	r = sensor_pins_lock(s, c->pin_dir);
	if (r < 0)
		return r;
	r = sensor_adopt(s);
	if (r != 0)
		return r;
	/* A map that was taken before the pins turned out incomplete would be kept. */
	rw_bpf__destroy(TAKE_PTR(s->skel));
	r = open_object(s, c);
	return r < 0 ? r : clear_pins(s);
}

int sensor_load(struct runaway_sensor *s, const struct runaway_sensor_config *c)
{
	int r;

	libbpf_set_print(to_log);
	r = probe(s, c->without);
	if (r == 0)
		r = open_object(s, c);
	if (r == 0 && c->pin_dir)
		r = look_at_pins(s, c);
	if (r < 0)
		return r;
	if (r == 1)
		return load_adopted(s);
	r = load_and_attach(s);
	return r == 0 && c->pin_dir ? sensor_pins_make(s) : r;
}

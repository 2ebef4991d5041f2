// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * CI markers: the variables of a new environment that are on the allow-list. Most
 * of what an exec costs is here, so an environment that is the same as that of the
 * exec before it on this CPU is not looked through twice.
 */

#include "rw.h"

/* The allow-list of environment names; nothing else of an environment is ever kept. Mapped by
 * user space, which may change it without privilege. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rw_marker_set);
} rw_markers SEC(".maps");

#define RW_ENV_CHUNK  4096 /* bytes of an environment looked at in one go */
#define RW_ENV_CHUNKS 8
#define RW_ENV_BLOCK  256 /* and in one function, so that the verifier's work stays small */
#define RW_ENV_STEP   64  /* and compared, zeros behind the end */
#define RW_ENV_BUF    (RW_ENV_CHUNK + 2 * RW_MARKER_VALUE)

/* Used by rw_exec alone: see exec_scratch in lineage.bpf.c. */
struct scratch {
	char fresh[RW_ENV_BUF] __attribute__((aligned(8)));
	/* Of this exec, or of one before it on this CPU whose environment was the same. */
	char env[RW_ENV_BUF] __attribute__((aligned(8)));
	struct rw_found found;
	__u32 env_len;	      /* bytes of `env` in use */
	__u32 env_generation; /* of the list by which all of `env` was looked through; 0: not all */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} rw_env_buf SEC(".maps");

#define ONES   0x0101010101010101ULL
#define HIGHS  0x8080808080808080ULL
#define EQUALS 0x3d3d3d3d3d3d3d3dULL

/* 0x80 in the lowest byte of w that is NUL, and perhaps in others above it (Mycroft); 0: none. */
static __always_inline __u64 nul_mask(__u64 w)
{
	return (w - ONES) & ~w & HIGHS;
}

/* Index of the byte whose 0x80 is set, the only one; 0 for none. */
static __always_inline __u64 byte_of(__u64 mask)
{
	return ((mask >> 7) * 0x0001020304050607ULL) >> 56;
}

/* The words of a variable up to its '=', NUL behind it. False: the name is longer than any listed.
 */
static __always_inline bool cut_name(__u64 *w)
{
	bool ended = false;
	__u64 mask;

	for (int i = 0; i < RW_MARKER_NAME / 8; i++) {
		mask = nul_mask(w[i] ^ EQUALS);
		if (ended)
			w[i] = 0;
		else if (mask)
			w[i] &= ((mask & -mask) << 1) - 1;
		ended |= mask != 0;
	}
	return ended;
}

#define RW_CHAIN_MAX 8 /* names of one slot; of 64 names in 256 slots rarely 3 are */

/* Is the variable at p on the allow-list? */
static __always_inline bool listed(struct rw_marker_set *set, const __u64 *p)
{
	__u64 w[RW_MARKER_NAME / 8] = { p[0], p[1], p[2], p[3] };
	struct rw_marker *m;
	__u32 n;

	if (!cut_name(w))
		return false;
	n = set->slot[rw_marker_hash(w) & (RW_MARKER_SLOTS - 1)];
	for (int i = 0; n && i < RW_CHAIN_MAX; i++) {
		n = (n - 1) & (RW_MARKER_NAMES - 1);
		m = &set->marker[n];
		if (w[0] == m->word[0] && w[1] == m->word[1] && w[2] == m->word[2] &&
		    w[3] == m->word[3])
			return true;
		n = set->next[n];
	}
	return false;
}

/* Could a variable on the list begin with these bytes? Most others end here. */
static __always_inline bool maybe_listed(struct rw_marker_set *set, const char *p)
{
	return set->first[rw_marker_first(*(const __u32 *)p) & (RW_MARKER_FIRST - 1)];
}

/*
 * The functions that look through an environment are global and take scalars:
 * each is verified once by itself, not once per call.
 *
 * A variable begins at s->env + off: kept, if its name is on the allow-list.
 */
__noinline int rw_env_variable(__u64 off)
{
	struct rw_marker_set *set;
	struct scratch *s;
	__u32 zero = 0;
	__u64 used;
	long n;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	/* Behind env_len lies what an earlier exec left: not to be seen. */
	if (!s || !set || off > RW_ENV_CHUNK || off >= s->env_len)
		return 0;
	if (!maybe_listed(set, s->env + off) || !listed(set, (const __u64 *)(s->env + off)))
		return 0;
	used = s->found.len;
	barrier_var(used);
	if (used > RW_MARKERS_MAX - RW_MARKER_VALUE)
		return 0;
	n = bpf_probe_read_kernel_str(s->found.text + used, RW_MARKER_VALUE, s->env + off);
	if (n <= 0)
		return 0;
	s->found.len = used + n;
	return 1;
}

/* Eight bytes with several ends of variables in them. */
__noinline int rw_env_word(__u64 off)
{
	struct scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	if (!s || off >= RW_ENV_CHUNK)
		return 0;
	for (int i = 0; i < 8; i++)
		if (!s->env[off + i])
			rw_env_variable(off + i + 1);
	return 0;
}

/*
 * Finds where variables begin in RW_ENV_BLOCK bytes at s->env + off, eight at a
 * time. Where the next NUL is cannot be guessed, and a branch that is guessed
 * wrong costs more than all the rest: so each word is taken for one that holds an
 * end, and the filter is asked about what follows it.
 */
__noinline int rw_env_block(__u64 off)
{
	struct rw_marker_set *set;
	struct scratch *s;
	__u64 mask, at;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	if (!s || !set || off > RW_ENV_CHUNK - RW_ENV_BLOCK)
		return 0;
	for (__u64 i = 0; i < RW_ENV_BLOCK; i += 8) {
		mask = nul_mask(*(__u64 *)(s->env + off + i));
		if (mask & (mask - 1)) {
			rw_env_word(off + i);
			continue;
		}
		at = off + i + (byte_of(mask) & 7) + 1;
		barrier_var(at);
		if (at <= RW_ENV_CHUNK && maybe_listed(set, s->env + at) && mask)
			rw_env_variable(at);
	}
	return 0;
}

/* Are the first n bytes of `fresh` those of `env`? */
__noinline int rw_env_same(__u64 n)
{
	struct scratch *s;
	__u32 zero = 0;
	__u64 *a, *b, differ;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	if (!s || n > RW_ENV_CHUNK)
		return 0;
	for (__u64 off = 0; off < RW_ENV_CHUNK; off += RW_ENV_STEP) {
		if (off >= n)
			break;
		a = (__u64 *)(s->fresh + off);
		b = (__u64 *)(s->env + off);
		differ = 0;
		for (int i = 0; i < RW_ENV_STEP / 8; i++)
			differ |= a[i] ^ b[i];
		if (differ)
			return 0;
	}
	return 1;
}

/* What a parent starts one after the other mostly has the same environment. */
static __always_inline bool known(struct scratch *s, struct rw_marker_set *set, __u64 n)
{
	return s->env_generation == set->generation && s->env_len == n && rw_env_same(n);
}

/*
 * Looks through up to RW_ENV_CHUNK bytes at `pos`; what lies behind is read
 * too, so that a value is whole. 1: s->found has it all from an earlier exec.
 */
__noinline int rw_env_chunk(__u64 pos, __u32 left, __u32 first)
{
	const __u64 room = RW_ENV_CHUNK + RW_MARKER_VALUE;
	struct rw_marker_set *set;
	struct scratch *s;
	__u64 n = left, *end;
	__u32 zero = 0;
	bool whole;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	if (!s || !set)
		return 0;
	whole = first && n <= RW_ENV_CHUNK;
	if (n > room)
		n = room;
	/* Asked again where the compiler cannot see that it knows. */
	barrier_var(n);
	if (n > room)
		return 0;
	if (bpf_probe_read_user(s->fresh, n, (void *)pos)) {
		rw_count_fault();
		if (first)
			s->found.len = 0;
		s->env_len = 0;
		s->env_generation = 0;
		return 0;
	}
	barrier_var(n);
	if (n > room)
		return 0;
	/* The last value ends here, not in what an earlier exec left behind. */
	end = (__u64 *)(s->fresh + n);
	for (int i = 0; i < RW_ENV_STEP / 8; i++)
		end[i] = 0;
	if (whole && known(s, set, n))
		return 1;
	if (first)
		s->found.len = 0;
	s->env_len = n;
	s->env_generation = whole ? set->generation : 0;
	barrier_var(n);
	if (n > room)
		return 0;
	bpf_probe_read_kernel(s->env, n + RW_ENV_STEP, s->fresh);
	for (__u32 off = 0; off < RW_ENV_CHUNK; off += RW_ENV_BLOCK) {
		if (off >= n)
			break;
		rw_env_block(off);
	}
	/* The very first variable has no NUL before it. */
	if (first)
		rw_env_variable(0);
	return 0;
}

__hidden struct rw_found *rw_markers_read(__u64 pos, __u64 end)
{
	struct scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_env_buf, &zero);
	if (!s || pos >= end)
		return NULL;
	s->found.cut = 0;
	for (int i = 0; i < RW_ENV_CHUNKS; i++) {
		if (pos >= end || rw_env_chunk(pos, end - pos > 0xffff ? 0xffff : end - pos, !i))
			break;
		pos += RW_ENV_CHUNK;
		if (i == RW_ENV_CHUNKS - 1 && pos < end)
			s->found.cut = 1;
	}
	return &s->found;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a cgroup path says: the names that container runtimes, kubelet and systemd give. */

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "model/internal.h"

#define CONTAINER_ID_LEN 64

static bool is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* One way in which a runtime writes a container's id into a component. */
static const struct id_shape {
	const char *prefix, *suffix;
	const char *runtime;
} id_shapes[] = {
	{ "docker-", ".scope", "docker" },
	{ "cri-containerd-", ".scope", "containerd" },
	{ "nerdctl-", ".scope", "containerd" },
	{ "crio-", ".scope", "crio" },
	{ "crio-", "", "crio" },
	{ "libpod-", ".scope", "podman" },
	{ "libpod-payload-", "", "podman" }, /* --cgroups=split */
	{ "libpod-", "", "podman" },
};

/*
 * A component that is nothing but an id belongs to whoever made the folder above
 * it. Below any other (a pod, a cgroup parent of somebody's choice, ECS, a
 * namespace of containerd) the path does not say which runtime it is.
 */
static const struct {
	const char *parent, *runtime;
} bare_parents[] = {
	{ "docker", "docker" },
	{ "libpod_parent", "podman" },
	{ "libpod", "podman" },
	{ "containerd", "containerd" },
};

static int keep(char **field, const char *s, size_t n)
{
	char *copy = strndup(s, n);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static bool strip(const char **s, size_t *n, const char *prefix, const char *suffix)
{
	size_t p = strlen(prefix), q = strlen(suffix);

	if (*n < p + q || strncmp(*s, prefix, p) != 0 || strncmp(*s + *n - q, suffix, q) != 0)
		return false;
	*s += p;
	*n -= p + q;
	return true;
}

static int shaped_id(const char *c, size_t n, struct runaway_cgroup_names *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(id_shapes); i++) {
		const char *s = c;
		size_t len = n;

		if (!strip(&s, &len, id_shapes[i].prefix, id_shapes[i].suffix) ||
		    len != CONTAINER_ID_LEN || !is_hex(s, len))
			continue;
		ret->runtime = id_shapes[i].runtime;
		return keep(&ret->container_id, s, len);
	}
	return 0;
}

/* "cri-containerd:<id>", with the slice and the prefix joined by colons. */
static int colon_id(const char *c, size_t n, struct runaway_cgroup_names *ret)
{
	static const char mark[] = "cri-containerd:";
	const char *at = memmem(c, n, mark, sizeof(mark) - 1);
	size_t len;

	if (!at)
		return 0;
	at += sizeof(mark) - 1;
	len = n - (size_t)(at - c);
	if (len == 0 || len > CONTAINER_ID_LEN || !is_hex(at, len))
		return 0;
	ret->runtime = "containerd";
	return keep(&ret->container_id, at, len);
}

static int bare_id(const char *c, size_t n, const char *above, size_t above_len,
		   struct runaway_cgroup_names *ret)
{
	if (n != CONTAINER_ID_LEN || !is_hex(c, n))
		return 0;
	/* What an outer container was run by says nothing about this one. */
	ret->runtime = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bare_parents); i++)
		if (above_len == strlen(bare_parents[i].parent) &&
		    strncmp(above, bare_parents[i].parent, above_len) == 0)
			ret->runtime = bare_parents[i].runtime;
	return keep(&ret->container_id, c, n);
}

static int lxc_name(const char *c, size_t n, const char *above, size_t above_len,
		    struct runaway_cgroup_names *ret)
{
	const char *s = c;
	size_t len = n;

	if (!(above_len == 3 && strncmp(above, "lxc", 3) == 0) &&
	    !strip(&s, &len, "lxc.payload.", "") && !strip(&s, &len, "lxc.payload/", ""))
		return 0;
	if (len == 0)
		return 0;
	ret->runtime = "lxc";
	return keep(&ret->container_id, s, len);
}

/* 8-4-4-4-12 with dashes or, in slices, underscores; static pods have 32 hex digits. */
static int pod_uid(const char *c, size_t n, struct runaway_cgroup_names *ret)
{
	const char *s, *last = NULL, *colon = memchr(c, ':', n);
	char *uid;
	size_t len;

	/* "<slice>:cri-containerd:<id>" */
	if (colon)
		n = (size_t)(colon - c);
	s = memmem(c, n, "pod", 3);
	for (; s; s = memmem(s + 3, n - (size_t)(s + 3 - c), "pod", 3))
		if (s == c || s[-1] == '-')
			last = s + 3;
	if (!last)
		return 0;
	len = n - (size_t)(last - c);
	if (len > 6 && strncmp(last + len - 6, ".slice", 6) == 0)
		len -= 6;
	if (len != 36 && len != 32)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)last[i]) && last[i] != '-' && last[i] != '_')
			return 0;
	uid = strndup(last, len);
	if (!uid)
		return -ENOMEM;
	for (char *u = uid; *u; u++)
		if (*u == '_')
			*u = '-';
	free(ret->pod_uid);
	ret->pod_uid = uid;
	return 0;
}

/* systemd escapes what is no plain letter in a unit's name as \xNN. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned int byte;

		if (s[0] == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) &&
		    isxdigit((unsigned char)s[3]) && sscanf(s + 2, "%2x", &byte) == 1 &&
		    byte >= 0x20 && byte < 0x7f) {
			*out++ = (char)byte;
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static bool ends_with(const char *s, size_t n, const char *suffix)
{
	size_t q = strlen(suffix);

	return n > q && strncmp(s + n - q, suffix, q) == 0;
}

static int unit(const char *c, size_t n, struct runaway_cgroup_names *ret)
{
	int r;

	if (!ends_with(c, n, ".service") && !ends_with(c, n, ".scope") &&
	    !ends_with(c, n, ".socket") && !ends_with(c, n, ".mount") && !ends_with(c, n, ".swap"))
		return 0;
	/* The innermost unit counts: what a user manager runs is no part of the manager. */
	r = keep(&ret->unit, c, n);
	if (r == 0)
		unescape(ret->unit);
	return r;
}

static int component(const char *c, size_t n, const char *above, size_t above_len, bool kube,
		     struct runaway_cgroup_names *ret)
{
	int r = shaped_id(c, n, ret);

	if (r == 0)
		r = colon_id(c, n, ret);
	if (r == 0)
		r = bare_id(c, n, above, above_len, ret);
	if (r == 0)
		r = lxc_name(c, n, above, above_len, ret);
	if (r == 0)
		r = unit(c, n, ret);
	if (r == 0 && kube)
		r = pod_uid(c, n, ret);
	return r;
}

int runaway_cgroup_names_parse(const char *path, struct runaway_cgroup_names *ret)
{
	struct runaway_cgroup_names names = { 0 };
	const char *above = "";
	size_t above_len = 0;
	bool kube = false;

	while (*path) {
		size_t n = strcspn(path, "/");
		int r = 0;

		kube = kube || memmem(path, n, "kubepods", 8);
		if (n)
			r = component(path, n, above, above_len, kube, &names);
		if (r < 0) {
			runaway_cgroup_names_free(&names);
			return r;
		}
		if (n) {
			above = path;
			above_len = n;
		}
		path += n + (path[n] == '/');
	}
	*ret = names;
	return 0;
}

void runaway_cgroup_names_free(struct runaway_cgroup_names *n)
{
	free(n->container_id);
	free(n->pod_uid);
	free(n->unit);
	*n = (struct runaway_cgroup_names){ 0 };
}

/* ---- CI containers, by the names that their runners give them ---- */
bool cgroup_name_is_ci(const char *name, size_t len)
{
	static const char *const schemes[] = {
		"GITEA-ACTIONS-TASK-*",
		"FORGEJO-ACTIONS-TASK-*",
		"act-*-*",
		"runner-*-project-*-concurrent-*",
		"wp_*",
		"drone-*",
	};
	/* What carries a container's name may have the runtime's prefix and suffix. */
	static const char *const prefixes[] = { "docker-", "libpod-", "lxc.payload.",
						"cri-containerd-" };
	char copy[256];

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t p = strlen(prefixes[i]);

		if (len > p && strncmp(name, prefixes[i], p) == 0) {
			name += p;
			len -= p;
			break;
		}
	}
	/* A runner's own service is no container. */
	if (len == 0 || len >= sizeof(copy) || ends_with(name, len, ".service") ||
	    ends_with(name, len, ".slice"))
		return false;
	memcpy(copy, name, len);
	copy[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (fnmatch(schemes[i], copy, 0) == 0)
			return true;
	return false;
}

bool runaway_cgroup_path_is_ci(const char *path)
{
	while (path && *path) {
		size_t n = strcspn(path, "/");

		if (cgroup_name_is_ci(path, n))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

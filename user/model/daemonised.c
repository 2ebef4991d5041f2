/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Was a process left behind on purpose? Judged by its name, and by how its origin ended. */

#include <fnmatch.h>
#include <string.h>
#include <sys/wait.h>

#include "model/internal.h"

/*
 * Names as the kernel keeps them, 15 bytes: words, or words with one '*' at the end. Who has one of
 * these is by design whoever started it: it ends with what it serves, or serves whole sessions.
 */
static const char *const always[] = {
	/* Crash handlers: orphans from birth, two to a browser. */
	"chrome_crashpad*",
	"crashhelper*",
	/* Container shims and monitors, and the engines. */
	"containerd-shim*",
	"containerd",
	"conmon*",
	"dockerd",
	"docker-init",
	"catatonit",
	"tini",
	"dumb-init",
	"s6-svscan",
	"s6-supervise",
	"runsvdir",
	"runsv",
	/* Session and message services. */
	"systemd",
	"systemd-*",
	"(sd-pam)",
	"dbus-daemon",
	"dbus-broker*",
	"ssh-agent",
	"gpg-agent",
	"keyboxd",
	"dirmngr",
	"scdaemon",
	"gnome-keyring-d",
	"at-spi*",
	"dconf-service",
	"gvfsd*",
	"pulseaudio",
	"pipewire*",
	"wireplumber",
	/* Terminals that outlive their terminal. */
	"tmux: server",
	"tmux: client",
	"tmux",
	"screen",
	"SCREEN",
	"mosh-server",
	NULL,
};

/*
 * Classic daemons, and servers that a job starts as well: one that a job lost is not excused by
 * its name.
 */
static const char *const services[] = {
	"sshd",		"sshd-session", "nginx",   "apache2",  "httpd",	   "haproxy", "cron",
	"crond",	"atd",		"anacron", "rsyslogd", "syslogd",  "agetty",  "login",
	"getty",	"chronyd",	"ntpd",	   "dhclient", "dnsmasq",  "rpcbind", "exim4",
	"master",	"udevd",	"auditd",  "polkitd",  "postgres", "mysqld",  "mariadbd",
	"redis-server", "memcached",	"qemu-ga", "ccache",   "distccd",  NULL,
};

static bool named(const struct runaway_proc *p, const char *const *list)
{
	for (; *list; list++) {
		size_t len = strlen(*list);

		if ((*list)[len - 1] == '*' ? strncmp(p->comm, *list, len - 1) == 0
					    : strcmp(p->comm, *list) == 0)
			return true;
	}
	return false;
}

bool runaway_proc_by_design_listed(const struct runaway_model *m, const struct runaway_proc *p)
{
	const char *exe = p->image ? p->image->exe : NULL;

	if (named(p, always))
		return true;
	for (char **g = m->by_design; g && *g; g++)
		if (fnmatch(*g, p->comm, 0) == 0 || (exe && fnmatch(*g, exe, 0) == 0))
			return true;
	return false;
}

bool runaway_proc_is_service(const struct runaway_proc *p)
{
	return named(p, services);
}

/* Exited with 0, soon after it had forked `child`. */
static bool left_on_purpose(const struct runaway_proc *origin, const struct runaway_proc *child)
{
	return origin->exit_known && WIFEXITED(origin->exit_code) &&
	       WEXITSTATUS(origin->exit_code) == 0 &&
	       origin->exit_ns <= child->id.start_ns + DAEMONISE_NS;
}

/*
 * Nobody saw who started it, so only its session and group speak. It leads a
 * session: a service looks so. It is in its reaper's session: an init (or a
 * container's entry point) forked it itself. Its group is its session and their
 * leader is gone: a daemon that forked twice looks so. What is left when a step of
 * somebody's session was killed looks like none of these.
 */
static enum runaway_daemonised by_session(const struct runaway_model *m,
					  const struct runaway_proc *p)
{
	const struct runaway_proc *reaper = p->parent_proc;

	if (p->sid == p->id.pid || (reaper && p->sid == reaper->sid))
		return RUNAWAY_DAEMONISED_UNKNOWN;
	if (p->pgid == p->sid && !runaway_model_find_pid(m, p->sid))
		return RUNAWAY_DAEMONISED_UNKNOWN;
	return RUNAWAY_DAEMONISED_NO;
}

/*
 * A container runtime that joins a container's namespaces forks twice and
 * adopts the process as its subreaper: left behind on purpose, to a supervisor
 * that is an ancestor of it. When that one is killed, it is so no more.
 */
static bool lost_its_supervisor(const struct runaway_proc *p)
{
	const struct runaway_orphan *o = p->orphan;
	const struct runaway_hop *last;

	if (!o || o->hop_count < 2)
		return false;
	last = &o->hop[MIN(o->hop_count, (unsigned int)RUNAWAY_HOPS_MAX) - 1];
	for (const struct runaway_proc *a = p->origin; a; a = a->origin)
		if (runaway_id_eq(a->id, last->from))
			return a->exit_known && WIFSIGNALED(a->exit_code);
	return false;
}

/* What its session and the end of its origin say. */
static enum runaway_daemonised by_origin(const struct runaway_model *m,
					 const struct runaway_proc *p)
{
	const struct runaway_proc *child = p, *a = p->origin;

	if (!a)
		return by_session(m, p);
	if (!left_on_purpose(a, p) || lost_its_supervisor(p))
		return RUNAWAY_DAEMONISED_NO;
	if (p->sid == p->id.pid)
		return RUNAWAY_DAEMONISED_YES;
	/*
	 * Double fork: the session was made by an ancestor that went the same way. It
	 * ran no program of its own; a script that leads the session of a CI step
	 * and ends with its work undone looks the same otherwise.
	 */
	for (int i = 0; a && i < LINEAGE_MAX && left_on_purpose(a, child); i++) {
		if (p->sid == a->id.pid && !a->execed)
			return RUNAWAY_DAEMONISED_YES;
		child = a;
		a = a->origin;
	}
	return RUNAWAY_DAEMONISED_NO;
}

/*
 * Who began a chain of forks that were all left on purpose has it now, and is a subreaper. A
 * container runtime starts the steps of a job so, and looks after them: nobody was left behind.
 * An init says nothing: that of a container may be the job's own shell.
 */
static bool with_its_supervisor(const struct runaway_proc *p)
{
	const struct runaway_proc *child = p, *a = p->origin;

	if (!p->orphan || p->orphan->reaper_kind != RUNAWAY_REAPER_SUBREAPER)
		return false;
	for (int i = 0; a && i < LINEAGE_MAX && left_on_purpose(a, child); i++) {
		child = a;
		a = a->origin;
	}
	return a && runaway_id_eq(a->id, p->parent);
}

enum runaway_daemonised runaway_proc_daemonised(const struct runaway_model *m,
						const struct runaway_proc *p)
{
	bool of_job = p->ci && ci_names_job(p->ci);
	enum runaway_daemonised how;

	if ((p->flags & RW_TF_NS_INIT) || runaway_proc_by_design_listed(m, p))
		return RUNAWAY_DAEMONISED_YES;
	how = by_origin(m, p);
	if (runaway_proc_is_service(p) && (!of_job || how == RUNAWAY_DAEMONISED_YES))
		return RUNAWAY_DAEMONISED_YES;
	/*
	 * Jobs start helpers as daemons start themselves. So does a quick smoke test leave its
	 * browser: exit 0 within seconds, the browser in a session of its own and not closed.
	 */
	if (how == RUNAWAY_DAEMONISED_YES && of_job && !with_its_supervisor(p))
		return RUNAWAY_DAEMONISED_UNKNOWN;
	return how;
}

const char *runaway_daemonised_name(enum runaway_daemonised d)
{
	static const char *const names[] = {
		[RUNAWAY_DAEMONISED_NO] = "no",
		[RUNAWAY_DAEMONISED_UNKNOWN] = "unknown",
		[RUNAWAY_DAEMONISED_YES] = "yes",
	};

	return (unsigned int)d < ARRAY_SIZE(names) ? names[d] : "unknown";
}

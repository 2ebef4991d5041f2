/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runaway-gate: the loader, which becomes the authoriser. While it is privileged it reads
 * one message, of a daemon that has served nobody yet: its configuration.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/digest.h"
#include "base/log.h"
#include "gate/state.h"
#include "gate/wire.h"

enum { EXIT_USAGE = 2, EXIT_NOT_PERMITTED = 3 };

#define GATE_USER "runaway-gate"
#define NOBODY	  65534
/* For the daemon's own start, and for one that stops reading. */
#define HELLO_S 30
#define SEND_S	10

/* The other end must be held by who started us. */
static bool started_by_daemon(void)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat st;
	int type;

	if (getsockopt(RUNAWAY_GATE_FD_SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.pid != getppid())
		return false;
	len = sizeof(type);
	return getsockopt(RUNAWAY_GATE_FD_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM && fstat(RUNAWAY_GATE_FD_FOLDER, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int keep_inherited(void)
{
	const struct timeval hello = { .tv_sec = HELLO_S }, patience = { .tv_sec = SEND_S };

	if (close_range(RUNAWAY_GATE_FD_FOLDER + 1, ~0U, 0) < 0 ||
	    fcntl(RUNAWAY_GATE_FD_SOCKET, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(RUNAWAY_GATE_FD_FOLDER, F_SETFD, FD_CLOEXEC) < 0 ||
	    setsockopt(RUNAWAY_GATE_FD_SOCKET, SOL_SOCKET, SO_RCVTIMEO, &hello, sizeof(hello)) <
		    0 ||
	    setsockopt(RUNAWAY_GATE_FD_SOCKET, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) < 0)
		return -errno;
	return 0;
}

static void choose_user(uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw = getpwnam(GATE_USER);

	if (!pw)
		pw = getpwnam("nobody");
	*ret_uid = pw ? pw->pw_uid : NOBODY;
	*ret_gid = pw ? pw->pw_gid : NOBODY;
}

static int block_signals(int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (signal(SIGHUP, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

/* The first message. *ret_id (malloc'ed) is repeated in the answer. */
static int read_hello(struct runaway_gate_config *config, char **ret_id)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *message = NULL;
	const char *wrong = "";
	int err = runaway_gate_receive(RUNAWAY_GATE_FD_SOCKET, &b);

	if (err == 0)
		err = runaway_gate_message_parse(b.data, b.len, &message);
	if (err == 0 && strcmp(runaway_json_str(message, "type", ""), "hello") != 0)
		err = -EBADMSG;
	if (err < 0)
		return log_error_errno(err, "no hello from the daemon");
	err = runaway_gate_config_read(message, config, &wrong);
	if (err < 0)
		return log_error_errno(err, "hello: %s", wrong);
	*ret_id = strdup(runaway_json_str(message, "id", ""));
	return *ret_id ? 0 : -ENOMEM;
}

static int open_guard(struct runaway_gate *g, uid_t uid, gid_t gid)
{
	struct runaway_guard_config c = {
		.subjects = { { g->actuator.pid, RW_GATE_MAY_TERM },
			      { getpid(), RW_GATE_MAY_MAPS },
			      { getppid(), RW_GATE_MAY_BPF } },
		.n_subjects = 3,
		.cgroup = g->config.guard_cgroup[0] ? g->config.guard_cgroup : NULL,
		.cgroup_ssid = g->config.cgroup_ssid,
		.uid = uid,
		.gid = gid,
		/* It does not start unless it has tried all of it. */
		.actuator_confined = true,
	};
	int links[RUNAWAY_ACTUATOR_FDS], err = runaway_guard_open(&c, &g->guard);
	size_t n;

	if (err < 0)
		return log_error_errno(err, "kernel guard");
	n = runaway_guard_links(g->guard, links, ARRAY_SIZE(links));
	err = runaway_actuator_keep(&g->actuator, links, n);
	return err < 0 ? log_error_errno(err, "handing the guard's links to the actuator") : 0;
}

static int prepare(struct runaway_gate *g, uid_t uid, gid_t gid)
{
	int err = runaway_look_at_self(g->config.cgroup_controller, g->actuator.pid, &g->self);

	if (err < 0)
		return log_error_errno(err, "own cgroup and boot id");
	err = runaway_audit_open(g->folder, g->self.boot_id, &g->audit, &g->history);
	if (err < 0)
		return log_error_errno(err, "the gate's audit");
	err = open_guard(g, uid, gid);
	if (err < 0)
		return err;
	err = runaway_authoriser_confine(g, uid, gid);
	if (err < 0)
		return log_error_errno(err, "giving up privileges");
	runaway_gate_self_test(g);
	err = runaway_gate_record_start(g);
	return err < 0 ? log_error_errno(err, "the gate's audit") : 0;
}

static int greet(struct runaway_gate *g, const char *id)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	int err = runaway_gate_greet(g, id, &out);

	if (err == 0 &&
	    send(RUNAWAY_GATE_FD_SOCKET, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		err = -EPIPE;
	return err;
}

static int run(struct runaway_gate *g)
{
	_cleanup_free_ char *id = NULL;
	uid_t uid;
	gid_t gid;
	int err;

	choose_user(&uid, &gid);
	/* First of all: it shall have seen nothing of what comes later. */
	err = runaway_actuator_start(&g->actuator, uid, gid, UINT64_C(1) << CAP_KILL);
	if (err < 0)
		return log_error_errno(err, "actuator");
	err = block_signals(&g->signals);
	if (err == 0)
		err = read_hello(&g->config, &id);
	if (err == 0)
		err = prepare(g, uid, gid);
	if (err == 0)
		err = greet(g, id);
	return err < 0 ? err : runaway_gate_serve(g, RUNAWAY_GATE_FD_SOCKET);
}

int main(int argc, char **argv)
{
	struct runaway_gate *g;
	int err;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("runaway-gate " RUNAWAY_VERSION " (" RUNAWAY_COMMIT ")") < 0;
	if (argc != 1 || !started_by_daemon()) {
		fputs("runaway-gate is started by runawayd alone\n", stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0) {
		log_error("runaway-gate has to be started with root's privileges, which it drops");
		return EXIT_NOT_PERMITTED;
	}
	g = calloc(1, sizeof(*g));
	if (!g || keep_inherited() < 0 || runaway_digest_init() < 0)
		return EXIT_FAILURE;
	g->folder = RUNAWAY_GATE_FD_FOLDER;
	g->audit.fd = -1;
	g->actuator.fd = -1;
	err = run(g);
	/* Whatever holds the rest up, the next gate finds the audit unlocked. */
	runaway_audit_close(&g->audit);
	runaway_guard_close(g->guard);
	runaway_actuator_stop(&g->actuator);
	/* Nothing is left to flush, and little would be let through that exit handlers do. */
	_exit(err < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

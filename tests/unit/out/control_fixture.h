/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_OUT_CONTROL_FIXTURE_H
#define RUNAWAY_TEST_OUT_CONTROL_FIXTURE_H

/* The control socket over real connections, the daemon's loop played by the test. */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"
#include "out/control.h"
#include "out/harness.h"

#define DEADLINE_MS 5000
#define PID	    500

struct fixture {
	struct world world;
	struct runaway_control *control;
	char dir[64];
	char path[128];
	enum runaway_role role; /* of every peer that connects */
	unsigned int reloads;
	int reload_err;
	unsigned int shows;
	uint64_t show_ns; /* what an answer costs */
	/* Calls that the daemon answers itself. */
	unsigned int calls;
	struct runaway_peer caller;
	uint64_t token;	      /* of the last one */
	char method[32];      /* … its name */
	const char *reply;    /* answered at once; NULL: later */
	unsigned int denials; /* told of; `method` and `caller` are the last one's */
	char denied_id[32];
};

/* ---- what the daemon would do ---- */

static enum runaway_role peer_role(void *ctx, uid_t uid, gid_t gid, pid_t pid)
{
	const struct fixture *f = ctx;

	/* The kernel tells who connected: this very process. */
	assert_int_equal(uid, getuid());
	assert_int_equal(gid, getgid());
	assert_int_equal(pid, getpid());
	return f->role;
}

static inline int reload(void *ctx, char **ret_error)
{
	struct fixture *f = ctx;

	f->reloads++;
	if (f->reload_err == -EINVAL)
		*ret_error = strdup("x.json:3: lanes[0].trigger: \"no\"\n");
	return f->reload_err;
}

static inline int check(void *ctx, const char *name, const char *text, size_t len, char **ret_error)
{
	(void)ctx;
	if (len == 2 && strcmp(text, "{}") == 0)
		return 0;
	if (asprintf(ret_error, "%s:1: not that", name) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static inline void show(void *ctx, struct json_writer *w)
{
	struct fixture *f = ctx;
	uint64_t until_ns = runaway_mono_ns() + f->show_ns;

	f->shows++;
	while (runaway_mono_ns() < until_ns)
		continue;
	json_object_begin(w);
	json_kv_string(w, "env", "test");
	json_object_end(w);
}

static inline int lanes_from(void *ctx, const char *name, const char *text, size_t len,
			     struct lane_set *ret, char **ret_error)
{
	(void)ctx;
	(void)name;
	if (len < 2 || text[0] != '{') {
		*ret_error = strdup("no lanes");
		return -EINVAL;
	}
	return runaway_lane_set_builtin(ret);
}

static inline void call(void *ctx, const struct runaway_call *c)
{
	struct fixture *f = ctx;

	f->calls++;
	f->caller = c->peer;
	f->token = c->token;
	snprintf(f->method, sizeof(f->method), "%s", c->method);
	if (f->reply)
		runaway_control_reply(f->control, c->token, NULL, f->reply);
}

static inline void denied(void *ctx, const struct runaway_call *c)
{
	struct fixture *f = ctx;

	f->denials++;
	f->caller = c->peer;
	assert_int_equal(c->token, 0);
	snprintf(f->method, sizeof(f->method), "%s", c->method);
	snprintf(f->denied_id, sizeof(f->denied_id), "%s", runaway_json_str(c->params, "id", ""));
}

static const struct runaway_control_ops ops = { peer_role,  reload, check, show,
						lanes_from, call,   denied };

static inline int open_control(struct fixture *f, unsigned int max_clients, unsigned int idle_s)
{
	const struct runaway_control_config config = {
		.path = f->path,
		.mode = 0666,
		.max_clients = max_clients,
		.idle_timeout_s = idle_s,
	};

	return runaway_control_open(&config, &f->world.view, &ops, f, &f->control);
}

static inline int set_up(void **state)
{
	static const char args[] = "chromium\0--headless\0\033[31m";
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	strcpy(f->dir, "/tmp/control.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/control.sock", f->dir);
	f->role = ROLE_OPERATOR;
	world_init(&f->world, 1024, 16);
	f->world.runtime.state_dir = f->dir;
	world_cgroup(&f->world, 77, 1, "/ci.slice/job", RW_CG_MKDIR);
	world_orphan(&f->world, PID, "chrom\"\n\033", "smoke.sh", args, sizeof(args));
	world_burn(&f->world, PID, 1, 5);
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	char folder[96];

	runaway_control_close(f->control);
	world_free(&f->world);
	unlink(f->path);
	snprintf(folder, sizeof(folder), "%s/incidents", f->dir);
	rmdir(folder);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- clients ---- */

static inline int dial(const struct fixture *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, f->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* One turn of the daemon's loop; false when nothing happened within ms. */
static inline bool turn(struct fixture *f, int ms)
{
	struct pollfd p = { .fd = runaway_control_fd(f->control), .events = POLLIN };

	if (poll(&p, 1, ms) <= 0)
		return false;
	runaway_control_run(f->control);
	return true;
}

/* Until the loop has nothing to do. */
static inline void settle(struct fixture *f)
{
	while (turn(f, 0))
		continue;
}

static inline void put(struct fixture *f, int fd, const char *data, size_t len)
{
	uint64_t limit_ns = runaway_mono_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, data + at, len - at, MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		at += n > 0 ? (size_t)n : 0;
		turn(f, n > 0 ? 0 : 10);
		assert_true(runaway_mono_ns() < limit_ns);
	}
}

/* Reads up to and with the next newline. False at the end of the connection. */
static inline bool get(struct fixture *f, int fd, struct strbuf *b)
{
	uint64_t limit_ns = runaway_mono_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	strbuf_reset(b);
	for (;;) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 1 && c == '\n')
			return true;
		if (n == 1) {
			strbuf_addc(b, c);
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		turn(f, 10);
		assert_true(runaway_mono_ns() < limit_ns);
	}
}

static inline cJSON *ask_n(struct fixture *f, int fd, const char *line, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	cJSON *json = NULL;

	put(f, fd, line, len);
	put(f, fd, "\n", 1);
	assert_true(get(f, fd, &b));
	if (runaway_json_parse(b.data, b.len, &json, NULL) < 0)
		fail_msg("no JSON: %s", b.data);
	return json;
}

static inline cJSON *ask(struct fixture *f, int fd, const char *line)
{
	return ask_n(f, fd, line, strlen(line));
}

static inline const char *code_of(const cJSON *answer)
{
	return runaway_json_str(runaway_json_get(answer, "error"), "code", "none");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

#endif

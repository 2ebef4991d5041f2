/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The listening side: a socket, its clients and a timer in an epoll of their
 * own, which the daemon's loop waits for as one file descriptor. Nothing here
 * waits for a client: who does not read is not served, and after a while dropped.
 */

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "out/control_private.h"

#define ACCEPT_TURN 16
/* Time for answers before the daemon's other work has its turn: a document costs up to some ms. */
#define RUN_NS (20 * NSEC_PER_MSEC)
/* Unread answers of all clients: beyond it requests wait until somebody reads. */
#define QUEUED_MAX ((size_t)32 * 1024 * 1024)
/* A client that owes a read for this long is dropped. */
#define STALL_NS (10 * NSEC_PER_SEC)

struct runaway_control {
	struct control_env env;
	char *path; /* owned */
	dev_t dev;  /* identity of our socket's name, so that only ours is removed */
	ino_t ino;
	bool bound;
	int listen_fd, epoll_fd, timer_fd, kick_fd;
	bool deaf;    /* out of file descriptors: accepting waits for the timer */
	bool ticking; /* the timer runs: only while there is somebody to time out */
	uint64_t idle_ns;
	unsigned int max_clients, clients;
	struct control_client *head, *tail;
};

const char *runaway_role_name(enum runaway_role r)
{
	static const char *const name[] = {
		[ROLE_NONE] = "none",
		[ROLE_VIEWER] = "viewer",
		[ROLE_OPERATOR] = "operator",
		[ROLE_OWNER] = "owner",
	};

	return (size_t)r < ARRAY_SIZE(name) ? name[r] : "none";
}

/* ---- the socket's name ---- */

static int address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Does somebody accept there? A full backlog (EAGAIN) says yes as well. */
static bool somebody_listens(const struct sockaddr_un *sa)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true; /* cannot tell: then nothing is removed */
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return true;
	return errno != ECONNREFUSED && errno != ENOENT;
}

/* Removes what a dead daemon left. A name that is no socket is somebody else's. */
static int clear_stale(const struct sockaddr_un *sa)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (somebody_listens(sa))
		return -EADDRINUSE;
	return unlink(sa->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_and_listen(struct runaway_control *c, mode_t mode)
{
	struct sockaddr_un sa;
	struct stat st;
	int r = address(c->path, &sa);

	if (r < 0)
		return r;
	r = clear_stale(&sa);
	if (r < 0)
		return r;
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen_fd < 0)
		return -errno;
	if (bind(c->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	c->bound = true;
	/* The umask has cut the mode; until listen() nobody can connect anyway. */
	if (chmod(c->path, mode) < 0 || lstat(c->path, &st) < 0)
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return listen(c->listen_fd, 128) < 0 ? -errno : 0;
}

static void remove_name(const struct runaway_control *c)
{
	struct stat st;

	if (c->bound && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->path);
}

/* ---- epoll ---- */

static int watch(struct runaway_control *c, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(c->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static void kick(struct runaway_control *c)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then it is readable already. */
	if (write(c->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void acknowledge(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* nothing there: as wanted */
}

/* A timer only while somebody could time out: at rest the daemon is not woken. */
static void set_ticking(struct runaway_control *c, bool on)
{
	struct itimerspec its = { .it_interval.tv_sec = on, .it_value.tv_sec = on };

	if (c->ticking != on && timerfd_settime(c->timer_fd, 0, &its, NULL) == 0)
		c->ticking = on;
}

static void set_deaf(struct runaway_control *c, bool deaf)
{
	if (c->deaf == deaf || watch(c, EPOLL_CTL_MOD, c->listen_fd, deaf ? 0 : EPOLLIN) < 0)
		return;
	c->deaf = deaf;
}

/* ---- clients ---- */

static void drop(struct runaway_control *c, struct control_client *cl)
{
	if (cl->prev)
		cl->prev->next = cl->next;
	else
		c->head = cl->next;
	if (cl->next)
		cl->next->prev = cl->prev;
	else
		c->tail = cl->prev;
	c->clients--;
	runaway_control_client_free(cl); /* closing takes it out of the epoll */
}

static struct runaway_peer peer_of(struct runaway_control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return (struct runaway_peer){ .role = ROLE_NONE };
	return (struct runaway_peer){
		.uid = peer.uid,
		.gid = peer.gid,
		.pid = peer.pid,
		.role = c->env.ops->role(c->env.ctx, peer.uid, peer.gid, peer.pid),
	};
}

/* One try: a peer that cannot take a line of refusal learns it by the end of the connection. */
static void turn_away(int fd)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_control_error_line("failed", "too many clients, try again", &b);
	if (!b.error && send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control socket: a client was turned away without a word");
}

static int admit(struct runaway_control *c, int fd, uint64_t now_ns)
{
	struct control_client *cl = calloc(1, sizeof(*cl));
	int r;

	if (!cl)
		return -ENOMEM;
	r = watch(c, EPOLL_CTL_ADD, fd, EPOLLIN);
	if (r < 0) {
		free(cl);
		return r;
	}
	cl->fd = fd;
	cl->events = EPOLLIN;
	cl->peer = peer_of(c, fd);
	cl->active_ns = now_ns;
	cl->prev = c->tail;
	if (c->tail)
		c->tail->next = cl;
	else
		c->head = cl;
	c->tail = cl;
	c->clients++;
	return 0;
}

static void accept_clients(struct runaway_control *c, uint64_t now_ns)
{
	for (int turn = 0; turn < ACCEPT_TURN; turn++) {
		_cleanup_close_ int fd =
			accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				set_deaf(c, true);
			return;
		}
		if (c->clients >= c->max_clients)
			turn_away(fd);
		else if (admit(c, fd, now_ns) == 0)
			(void)TAKE_FD(fd);
	}
}

static size_t queued_by_all(const struct runaway_control *c)
{
	size_t sum = 0;

	for (const struct control_client *cl = c->head; cl; cl = cl->next)
		sum += runaway_control_client_queued(cl);
	return sum;
}

/* One turn of one client; true when it could use another at once. */
static bool serve(struct runaway_control *c, struct control_client *cl, uint64_t now_ns)
{
	uint32_t wants;

	runaway_control_client_write(cl, now_ns);
	runaway_control_client_read(cl, now_ns);
	if (queued_by_all(c) <= QUEUED_MAX)
		runaway_control_client_serve(cl, &c->env, now_ns + RUN_NS);
	runaway_control_client_write(cl, now_ns);
	if (runaway_control_client_over(cl)) {
		drop(c, cl);
		return false;
	}
	wants = runaway_control_client_wants(cl);
	if (wants != cl->events && watch(c, EPOLL_CTL_MOD, cl->fd, wants) == 0)
		cl->events = wants;
	return runaway_control_client_pending(cl) && queued_by_all(c) <= QUEUED_MAX;
}

/* The first in the list becomes the last: nobody is always served first. */
static void rotate(struct runaway_control *c)
{
	struct control_client *first = c->head;

	if (!first || first == c->tail)
		return;
	c->head = first->next;
	c->head->prev = NULL;
	first->next = NULL;
	first->prev = c->tail;
	c->tail->next = first;
	c->tail = first;
}

static void drop_the_silent(struct runaway_control *c, uint64_t now_ns)
{
	struct control_client *next;

	for (struct control_client *cl = c->head; cl; cl = next) {
		uint64_t limit = c->idle_ns;

		next = cl->next;
		if (runaway_control_client_queued(cl))
			limit = MIN(limit, STALL_NS);
		if (now_ns - cl->active_ns > limit)
			drop(c, cl);
	}
}

/* Each client has a turn, as long as there is time; true when there is more to do at once. */
static bool serve_clients(struct runaway_control *c, uint64_t now_ns)
{
	struct control_client *next;
	bool more = false;

	for (struct control_client *cl = c->head; cl; cl = next) {
		next = cl->next;
		more |= serve(c, cl, now_ns);
		if (next && runaway_mono_ns() >= now_ns + RUN_NS) {
			while (c->head != next)
				rotate(c);
			return true;
		}
	}
	rotate(c);
	return more;
}

void runaway_control_run(struct runaway_control *c)
{
	uint64_t now_ns = runaway_mono_ns();
	struct epoll_event ev;
	bool more;

	/* Who it was does not matter: clients are few, and each has its turn anyway. */
	if (epoll_wait(c->epoll_fd, &ev, 1, 0) <= 0)
		return;
	acknowledge(c->kick_fd);
	acknowledge(c->timer_fd);
	set_deaf(c, false);
	accept_clients(c, now_ns);
	more = serve_clients(c, now_ns);
	drop_the_silent(c, now_ns);
	set_ticking(c, c->clients || c->deaf);
	if (more)
		kick(c);
}

void runaway_control_reply(struct runaway_control *c, uint64_t token, const char *code,
			   const char *text)
{
	for (struct control_client *cl = c->head; cl; cl = cl->next) {
		if (cl->waiting != token)
			continue;
		runaway_control_answer_later(cl, code, text);
		/* It may have more to say, and somebody has to write the answer. */
		kick(c);
		return;
	}
}

/* ---- life ---- */

int runaway_control_fd(const struct runaway_control *c)
{
	return c->epoll_fd;
}

static int set_up(struct runaway_control *c, mode_t mode)
{
	int r = bind_and_listen(c, mode);

	if (r < 0)
		return r;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->epoll_fd < 0 || c->timer_fd < 0 || c->kick_fd < 0)
		return -errno;
	r = watch(c, EPOLL_CTL_ADD, c->listen_fd, EPOLLIN);
	if (r == 0)
		r = watch(c, EPOLL_CTL_ADD, c->timer_fd, EPOLLIN);
	if (r == 0)
		r = watch(c, EPOLL_CTL_ADD, c->kick_fd, EPOLLIN);
	return r;
}

int runaway_control_open(const struct runaway_control_config *config, const struct runaway_view *v,
			 const struct runaway_control_ops *ops, void *ctx,
			 struct runaway_control **ret)
{
	struct runaway_control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct runaway_control){
		.env = { .view = v, .ops = ops, .ctx = ctx },
		.path = strdup(config->path),
		.listen_fd = -1,
		.epoll_fd = -1,
		.timer_fd = -1,
		.kick_fd = -1,
		.idle_ns = config->idle_timeout_s * NSEC_PER_SEC,
		.max_clients = config->max_clients,
	};
	r = c->path ? set_up(c, config->mode) : -ENOMEM;
	if (r < 0) {
		runaway_control_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void runaway_control_close(struct runaway_control *c)
{
	if (!c)
		return;
	while (c->head)
		drop(c, c->head);
	if (c->path)
		remove_name(c);
	runaway_closep(&c->listen_fd);
	runaway_closep(&c->timer_fd);
	runaway_closep(&c->kick_fd);
	runaway_closep(&c->epoll_fd);
	free(c->env.verify_json);
	free(c->path);
	free(c);
}

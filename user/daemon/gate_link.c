// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/gate_link.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "gate/wire.h"

/* A self-test of the guard takes two seconds at most, a signal a few milliseconds. */
#define ANSWER_NS (30 * NSEC_PER_SEC)
/* Unanswered requests: the daemon itself makes a handful. Some are kept free for what is urgent. */
#define WAITING_MAX  64
#define WAITING_KEPT 8
#define FRAME_BYTES  ((size_t)RUNAWAY_GATE_FRAME_MAX + RUNAWAY_GATE_FRAME_HEAD)
#define BUFFER_MAX   (4 * FRAME_BYTES)

struct request {
	struct request *next;
	uint64_t id;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	gate_answer_fn fn;
	void *ctx;
};

struct gate_link {
	pid_t pid;
	int fd;	      /* -1: it has ended */
	int epoll_fd; /* the socket and the timer */
	int timer_fd;
	uint32_t events;
	uint64_t last_id;
	struct request *first, **end; /* answers come in order */
	size_t waiting;
	struct strbuf in, out;
	size_t sent;
	bool given_up;
};

/* ---- start ---- */

static void run_gate(const char *program, int socket, int folder)
{
	char *const argv[] = { (char *)program, NULL };
	char *const envp[] = { "LC_ALL=C.UTF-8", NULL };
	sigset_t none;
	int null;

	signal(SIGPIPE, SIG_DFL);
	/* Its audit is there to be read. */
	umask(022);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* Through high numbers: either of them may lie where the other has to go. */
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 16);
	folder = fcntl(folder, F_DUPFD_CLOEXEC, 16);
	if (null < 0 || socket < 0 || folder < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(socket, RUNAWAY_GATE_FD_SOCKET) < 0 || dup2(folder, RUNAWAY_GATE_FD_FOLDER) < 0)
		_exit(126);
	/* Not one descriptor of the sensor's comes along. */
	if (syscall(SYS_close_range, RUNAWAY_GATE_FD_FOLDER + 1, ~0U, 0) < 0)
		for (int fd = RUNAWAY_GATE_FD_FOLDER + 1; fd < 4096; fd++)
			close(fd);
	execve(program, argv, envp);
	_exit(errno == ENOENT ? 127 : 126);
}

static int start_process(const struct gate_link_config *c, struct gate_link *l)
{
	int pair[2];

	if (access(c->program, X_OK) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	l->pid = fork();
	if (l->pid == 0)
		run_gate(c->program, pair[1], c->folder_fd);
	close(pair[1]);
	l->fd = pair[0];
	return l->pid < 0 ? -errno : 0;
}

static int first_message(const struct gate_link_config *c, struct gate_link *l, cJSON **ret)
{
	const struct timeval limit = { .tv_sec = (time_t)c->timeout_s };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int r;

	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	strbuf_adds(&b, "{\"type\":\"hello\",\"id\":\"0\"");
	if (strcmp(c->hello, "{}") != 0)
		strbuf_addf(&b, ",%s", c->hello + 1);
	else
		strbuf_addc(&b, '}');
	if (b.error)
		return b.error;
	r = runaway_gate_send(l->fd, b.data, b.len);
	if (r == 0)
		r = runaway_gate_receive(l->fd, &b);
	if (r == -EAGAIN)
		return -ETIMEDOUT;
	return r < 0 ? r : runaway_gate_message_parse(b.data, b.len, ret);
}

static int watch(struct gate_link *l, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(l->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static int open_loop(struct gate_link *l)
{
	int r;

	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->timer_fd < 0)
		return -errno;
	l->events = EPOLLIN;
	r = watch(l, EPOLL_CTL_ADD, l->fd, EPOLLIN);
	return r < 0 ? r : watch(l, EPOLL_CTL_ADD, l->timer_fd, EPOLLIN);
}

int gate_link_start(const struct gate_link_config *c, struct gate_link **ret, cJSON **ret_answer)
{
	struct gate_link *l = calloc(1, sizeof(*l));
	_cleanup_cjson_ cJSON *answer = NULL;
	int r;

	if (!l)
		return -ENOMEM;
	l->fd = l->epoll_fd = l->timer_fd = -1;
	l->end = &l->first;
	r = start_process(c, l);
	if (r == 0)
		r = first_message(c, l, &answer);
	if (r == 0)
		r = open_loop(l);
	if (r < 0) {
		gate_link_close(l);
		return r;
	}
	*ret = l;
	*ret_answer = TAKE_PTR(answer);
	return 0;
}

/* ---- end ---- */

static struct request *take_first(struct gate_link *l)
{
	struct request *q = l->first;

	l->first = q->next;
	if (!l->first)
		l->end = &l->first;
	l->waiting--;
	return q;
}

static void answer_all(struct gate_link *l, int err)
{
	while (l->first) {
		struct request *q = take_first(l);

		q->fn(q->ctx, err, NULL);
		free(q);
	}
}

static void end(struct gate_link *l, int err)
{
	if (l->fd >= 0)
		close(TAKE_FD(l->fd));
	answer_all(l, err);
}

void gate_link_close(struct gate_link *l)
{
	if (!l)
		return;
	end(l, -ECANCELED);
	runaway_closep(&l->epoll_fd);
	runaway_closep(&l->timer_fd);
	strbuf_free(&l->in);
	strbuf_free(&l->out);
	free(l);
}

bool gate_link_alive(const struct gate_link *l)
{
	return l && l->fd >= 0 && !l->given_up;
}

void gate_link_give_up(struct gate_link *l)
{
	if (!gate_link_alive(l))
		return;
	l->given_up = true;
	/* Whatever is under way here is not to be answered from within: the loop does that. */
	shutdown(l->fd, SHUT_RDWR);
}

pid_t gate_link_pid(const struct gate_link *l)
{
	return l->pid;
}

int gate_link_fd(const struct gate_link *l)
{
	return l->epoll_fd;
}

size_t gate_link_waiting(const struct gate_link *l)
{
	return l->waiting;
}

/* ---- asking ---- */

static void arm_timer(struct gate_link *l)
{
	uint64_t at = l->first ? l->first->until_ns : 0;
	struct itimerspec t = {
		.it_value = { .tv_sec = (time_t)(at / NSEC_PER_SEC),
			      .tv_nsec = (long)(at % NSEC_PER_SEC) },
	};

	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* The other end is closed, which only the gate's end does. Any other error is one of ours. */
static int peer_error(int error)
{
	return error == ECONNRESET ? -EPIPE : -error;
}

static int flush(struct gate_link *l)
{
	uint32_t wanted;

	while (l->sent < l->out.len) {
		ssize_t n = send(l->fd, l->out.data + l->sent, l->out.len - l->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return peer_error(errno);
		l->sent += (size_t)n;
	}
	if (l->sent == l->out.len) {
		strbuf_reset(&l->out);
		l->sent = 0;
	}
	wanted = EPOLLIN | (l->out.len ? EPOLLOUT : 0);
	if (wanted != l->events && watch(l, EPOLL_CTL_MOD, l->fd, wanted) == 0)
		l->events = wanted;
	return 0;
}

static int make_frame(struct gate_link *l, const char *type, const char *members, size_t kept_bytes)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "{\"type\":\"%s\",\"id\":\"%llu\"", type, (unsigned long long)l->last_id);
	if (members && strcmp(members, "{}") != 0)
		strbuf_addf(&b, ",%s", members + 1);
	else
		strbuf_addc(&b, '}');
	if (b.error)
		return b.error;
	if (l->out.len + b.len + kept_bytes > BUFFER_MAX)
		return -ENOMEM;
	return runaway_gate_frame_add(&l->out, b.data, b.len);
}

static int ask(struct gate_link *l, const char *type, const char *members, gate_answer_fn fn,
	       void *ctx, bool urgent)
{
	_cleanup_free_ struct request *q = NULL;
	int r;

	if (!gate_link_alive(l))
		return -EPIPE;
	if (l->waiting >= WAITING_MAX - (urgent ? 0 : WAITING_KEPT))
		return -ENOMEM;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	l->last_id++;
	r = make_frame(l, type, members, urgent ? 0 : FRAME_BYTES);
	if (r < 0)
		return r;
	*q = (struct request){
		.id = l->last_id,
		.until_ns = runaway_mono_ns() + ANSWER_NS,
		.fn = fn,
		.ctx = ctx,
	};
	*l->end = q;
	l->end = &q->next;
	l->waiting++;
	(void)TAKE_PTR(q);
	arm_timer(l);
	/* A gate that has gone is noticed by the loop: fn is never called from here. */
	(void)flush(l);
	return 0;
}

int gate_link_ask(struct gate_link *l, const char *type, const char *members, gate_answer_fn fn,
		  void *ctx)
{
	return ask(l, type, members, fn, ctx, false);
}

int gate_link_ask_urgent(struct gate_link *l, const char *type, const char *members,
			 gate_answer_fn fn, void *ctx)
{
	return ask(l, type, members, fn, ctx, true);
}

/* ---- hearing ---- */

static int read_all(struct gate_link *l)
{
	char buf[16 * 1024];

	for (;;) {
		ssize_t n = recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : peer_error(errno);
		if (n == 0)
			return -EPIPE;
		strbuf_add(&l->in, buf, (size_t)n);
		if (l->in.error || l->in.len > BUFFER_MAX)
			return -ENOMEM;
	}
}

/* An answer that nobody asked for means that the two do not understand each other. */
static int take_answer(struct gate_link *l, const char *text, size_t len)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct request *q = l->first;
	int r = runaway_gate_message_parse(text, len, &json);

	if (r < 0)
		return r;
	if (!q || strtoull(runaway_json_str(json, "id", ""), NULL, 10) != q->id)
		return -EBADMSG;
	take_first(l);
	arm_timer(l);
	q->fn(q->ctx, 0, json);
	free(q);
	return 0;
}

static int take_answers(struct gate_link *l)
{
	size_t at = 0, len, used;
	const char *text;
	int r = 0;

	while (at < l->in.len) {
		r = runaway_gate_frame_next(l->in.data + at, l->in.len - at, &text, &len, &used);
		if (r <= 0)
			break;
		at += used;
		r = take_answer(l, text, len);
		if (r < 0)
			return r;
	}
	memmove(l->in.data, l->in.data + at, l->in.len - at);
	strbuf_truncate(&l->in, l->in.len - at);
	return r;
}

bool gate_link_run(struct gate_link *l)
{
	uint64_t expirations;
	int r, read_error;

	if (l->fd < 0)
		return false;
	if (l->given_up) {
		end(l, -ECANCELED);
		return false;
	}
	read_error = read_all(l);
	/* What it said before it ended counts. */
	r = l->in.len ? take_answers(l) : 0;
	if (r >= 0)
		r = read_error;
	if (r >= 0)
		r = flush(l);
	if (r >= 0 && read(l->timer_fd, &expirations, sizeof(expirations)) > 0 && l->first &&
	    runaway_mono_ns() >= l->first->until_ns)
		r = -ETIMEDOUT;
	if (r >= 0)
		return true;
	end(l, r);
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One exchange with the daemon: connect, a line out, a line in, each within its time. */

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/cli.h"

struct exchange {
	int fd;
	uint64_t began_ns;
	FILE *note;
	bool noted;
	struct cli_error *error;
};

static int set_error(struct cli_error *e, const char *code, const char *fmt, ...) _printf_(3, 4);
static int set_error(struct cli_error *e, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->code = code;
	return -1;
}

static int64_t elapsed_ms(const struct exchange *x)
{
	return (int64_t)((runaway_mono_ns() - x->began_ns) / NSEC_PER_MSEC);
}

/* Once, and only after a person would begin to wonder. */
static void note_waiting(struct exchange *x)
{
	if (x->noted || elapsed_ms(x) < CLI_PATIENCE_MS)
		return;
	x->noted = true;
	if (x->note)
		fputs("waiting for the daemon\n", x->note);
}

/* Waits for events until limit_ms after the beginning. 0, or -1 when the time is over. */
static int wait_for(struct exchange *x, short events, int64_t limit_ms)
{
	struct pollfd p = { .fd = x->fd, .events = events };

	for (;;) {
		int64_t left = limit_ms - elapsed_ms(x);
		int r;

		if (left <= 0)
			return set_error(x->error, "failed",
					 "the daemon did not answer within %lld s",
					 (long long)limit_ms / 1000);
		if (!x->noted)
			left = MIN(left, MAX(CLI_PATIENCE_MS - elapsed_ms(x), 1));
		r = poll(&p, 1, (int)left);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return set_error(x->error, "failed", "poll: %s", strerror(errno));
		note_waiting(x);
	}
}

static int refused(struct exchange *x, const char *path, int err)
{
	struct stat st;

	/* There is no socket, or it is one that a daemon left behind. */
	x->error->unserved = err == ENOENT || err == ECONNREFUSED;
	if (err == ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return set_error(x->error, "failed",
				 "%s is no socket; name the daemon's control.sock with --socket",
				 path);
	if (x->error->unserved)
		return set_error(x->error, "failed",
				 "no daemon listens at %s; start it with \"systemctl start "
				 "runawayd\" or \"sudo runawayd\", or name its socket with "
				 "--socket",
				 path);
	switch (err) {
	case EACCES:
	case EPERM:
		return set_error(x->error, "denied", "not permitted to use %s", path);
	default:
		return set_error(x->error, "failed", "%s: %s", path, strerror(err));
	}
}

static int open_socket(struct exchange *x, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return set_error(x->error, "usage", "a socket's path has 1 to %zu bytes",
				 sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	x->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd < 0)
		return set_error(x->error, "failed", "socket: %s", strerror(errno));
	while (connect(x->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		/* A full backlog: poll() knows nothing of it, so it is tried again. */
		if (errno != EAGAIN && errno != EINTR)
			return refused(x, path, errno);
		if (elapsed_ms(x) >= CLI_CONNECT_MS)
			return set_error(x->error, "failed", "the daemon at %s takes no connection",
					 path);
		poll(NULL, 0, 20);
		note_waiting(x);
	}
	return 0;
}

/* A daemon that turns us away has answered before it reads: its answer is read all the same. */
static int send_line(struct exchange *x, const char *line, size_t len)
{
	for (size_t at = 0; at <= len;) {
		bool tail = at == len;
		ssize_t n = send(x->fd, tail ? "\n" : line + at, tail ? 1 : len - at, MSG_NOSIGNAL);

		if (n >= 0)
			at += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		else if (errno != EAGAIN && errno != EINTR)
			return set_error(x->error, "failed", "send: %s", strerror(errno));
		else if (wait_for(x, POLLOUT, CLI_ANSWER_MS) < 0)
			return -1;
	}
	return 0;
}

static int read_line(struct exchange *x, struct strbuf *ret)
{
	char buf[64 * 1024];

	for (;;) {
		ssize_t n = recv(x->fd, buf, sizeof(buf), 0);
		const char *end;

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return set_error(x->error, "failed",
					 "the daemon closed the connection without an answer");
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				return set_error(x->error, "failed", "recv: %s", strerror(errno));
			if (wait_for(x, POLLIN, CLI_ANSWER_MS) < 0)
				return -1;
			continue;
		}
		end = memchr(buf, '\n', (size_t)n);
		strbuf_add(ret, buf, end ? (size_t)(end - buf) : (size_t)n);
		if (ret->error || ret->len > CLI_ANSWER_MAX)
			return set_error(x->error, "failed", "the answer is too large");
		if (end)
			return 0;
	}
}

int runaway_cli_exchange(const char *path, const char *line, size_t len, FILE *note,
			 struct strbuf *ret, struct cli_error *ret_error)
{
	struct exchange x = {
		.fd = -1,
		.began_ns = runaway_mono_ns(),
		.note = note,
		.error = ret_error,
	};
	int r;

	ret_error->unserved = false;
	r = open_socket(&x, path);
	if (r == 0)
		r = send_line(&x, line, len);
	if (r == 0)
		r = read_line(&x, ret);
	runaway_closep(&x.fd);
	return r;
}

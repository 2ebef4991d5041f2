// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking at services before and after a signal: a connect, or a GET that has to
 * answer 2xx. Loopback only, read-only, all at once, and nobody waits longer than
 * two seconds for any of them.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#define LIMIT_NS (2 * NSEC_PER_SEC)
/* Of an answer only the status line is read. */
#define ANSWER_MAX 512

struct probe {
	struct probe_set *set;
	int fd; /* -1: judged */
	bool connected;
	char *request; /* owned; NULL: a connect is enough */
	char answer[ANSWER_MAX + 1];
	size_t len;
};

struct probe_set {
	struct health *h;
	struct probe_set *next;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	health_fn fn;
	void *ctx;
	struct probe *probe;
	struct health_result *result;
	size_t count, open;
};

struct health {
	int epoll_fd, timer_fd;
	struct probe_set *sets;
};

/* ---- judging ---- */

static void judge(struct probe *p, bool ok, const char *detail)
{
	struct health_result *r = &p->set->result[p - p->set->probe];

	if (p->fd < 0)
		return;
	close(TAKE_FD(p->fd)); /* leaves the epoll by it */
	r->ok = ok;
	snprintf(r->detail, sizeof(r->detail), "%s", detail);
	p->set->open--;
}

static void judge_answer(struct probe *p)
{
	int code = 0;
	char text[64];

	p->answer[p->len] = '\0';
	if (sscanf(p->answer, "HTTP/1.%*[01] %3d", &code) != 1) {
		judge(p, false, "no HTTP answer");
		return;
	}
	snprintf(text, sizeof(text), "HTTP %d", code);
	judge(p, code >= 200 && code < 300, text);
}

static void free_set(struct probe_set *s)
{
	for (size_t n = 0; n < s->count; n++) {
		runaway_closep(&s->probe[n].fd);
		free(s->probe[n].request);
	}
	free(s->probe);
	free(s->result);
	free(s);
}

/* Answers and forgets the sets that are complete, or whose time is over. */
static void settle(struct health *h, uint64_t now_ns)
{
	for (struct probe_set **at = &h->sets; *at;) {
		struct probe_set *s = *at;

		for (size_t n = 0; now_ns >= s->until_ns && n < s->count; n++)
			judge(&s->probe[n], false, "no answer within 2 s");
		if (s->open > 0) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->fn(s->ctx, s->result, s->count);
		free_set(s);
		/* The callback may have asked again: begin anew. */
		at = &h->sets;
	}
}

static void arm(struct health *h)
{
	struct itimerspec t = { 0 };
	uint64_t first = UINT64_MAX;

	for (const struct probe_set *s = h->sets; s; s = s->next)
		first = MIN(first, s->until_ns);
	if (h->sets) {
		t.it_value.tv_sec = (time_t)(first / NSEC_PER_SEC);
		t.it_value.tv_nsec = (long)(first % NSEC_PER_SEC);
	}
	timerfd_settime(h->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* ---- one probe ---- */

static int watch(struct probe *p, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	return epoll_ctl(p->set->h->epoll_fd, op, p->fd, &ev) < 0 ? -errno : 0;
}

static void on_connected(struct probe *p)
{
	int error = 0;
	socklen_t len = sizeof(error);
	size_t want;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		judge(p, false, runaway_strerror(error ? error : errno));
		return;
	}
	if (!p->request) {
		judge(p, true, "accepts connections");
		return;
	}
	p->connected = true;
	want = strlen(p->request);
	/* A request is far smaller than any socket buffer. */
	if (send(p->fd, p->request, want, MSG_NOSIGNAL) != (ssize_t)want ||
	    watch(p, EPOLL_CTL_MOD, EPOLLIN) < 0)
		judge(p, false, "cannot be asked");
}

static void on_answer(struct probe *p)
{
	ssize_t n = recv(p->fd, p->answer + p->len, ANSWER_MAX - p->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		p->len += (size_t)n;
	if (n <= 0 || p->len == ANSWER_MAX || memchr(p->answer, '\n', p->len))
		judge_answer(p);
}

static socklen_t parse_address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN] = "";
	uint16_t port = htons((uint16_t)atoi(colon + 1));
	bool six = *text == '[';
	size_t len = (size_t)(colon - text) - (six ? 2 : 0);

	*ret = (struct sockaddr_storage){ 0 };
	memcpy(host, text + six, MIN(len, sizeof(host) - 1));
	if (six) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = port;
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
}

static int start_probe(struct probe *p, const struct health_check *c)
{
	struct sockaddr_storage sa;
	socklen_t len = parse_address(c->address, &sa);

	if (!len)
		return -EINVAL;
	if (c->path && asprintf(&p->request,
				"GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: "
				"runawayd\r\nConnection: close\r\n\r\n",
				c->path, c->address) < 0) {
		p->request = NULL;
		return -ENOMEM;
	}
	p->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return -errno;
	p->set->open++;
	if (watch(p, EPOLL_CTL_ADD, EPOLLOUT) < 0 ||
	    (connect(p->fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS))
		judge(p, false, runaway_strerror(errno));
	return 0;
}

/* ---- all of them ---- */

int health_ask(struct health *h, const struct gate_config *g, health_fn fn, void *ctx)
{
	struct probe_set *s;
	int r = 0;

	if (!g->health_count) {
		fn(ctx, NULL, 0);
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct probe_set){
		.h = h,
		.until_ns = runaway_mono_ns() + LIMIT_NS,
		.fn = fn,
		.ctx = ctx,
		.probe = calloc(g->health_count, sizeof(*s->probe)),
		.result = calloc(g->health_count, sizeof(*s->result)),
	};
	if (!s->probe || !s->result)
		r = -ENOMEM;
	for (; r == 0 && s->count < g->health_count; s->count++) {
		s->probe[s->count] = (struct probe){ .set = s, .fd = -1 };
		snprintf(s->result[s->count].name, sizeof(s->result[0].name), "%s",
			 g->health[s->count].name);
		r = start_probe(&s->probe[s->count], &g->health[s->count]);
	}
	if (r < 0) {
		free_set(s);
		return r;
	}
	s->next = h->sets;
	h->sets = s;
	/* Those that were refused at once are settled by the loop: the timer fires. */
	if (!s->open)
		s->until_ns = runaway_mono_ns();
	arm(h);
	return 0;
}

void health_run(struct health *h)
{
	struct epoll_event ev[16];
	uint64_t expirations;
	int n = epoll_wait(h->epoll_fd, ev, ARRAY_SIZE(ev), 0);

	for (int i = 0; i < n; i++) {
		struct probe *p = ev[i].data.ptr;

		if (!p) {
			if (read(h->timer_fd, &expirations, sizeof(expirations)) < 0)
				continue;
		} else if (p->fd >= 0) {
			if (p->connected)
				on_answer(p);
			else
				on_connected(p);
		}
	}
	settle(h, runaway_mono_ns());
	arm(h);
}

int health_open(struct health **ret)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	h->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->epoll_fd < 0 || h->timer_fd < 0 ||
	    epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->timer_fd, &ev) < 0) {
		int r = -errno;

		health_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

void health_close(struct health *h)
{
	struct probe_set *s;

	if (!h)
		return;
	while ((s = h->sets)) {
		h->sets = s->next;
		s->fn(s->ctx, NULL, 0);
		free_set(s);
	}
	runaway_closep(&h->epoll_fd);
	runaway_closep(&h->timer_fd);
	free(h);
}

int health_fd(const struct health *h)
{
	return h->epoll_fd;
}

void health_write(struct json_writer *w, const struct health_result *results, size_t count)
{
	json_key(w, "health");
	json_array_begin(w);
	for (size_t n = 0; n < count; n++) {
		json_object_begin(w);
		json_kv_string(w, "name", results[n].name);
		json_kv_bool(w, "ok", results[n].ok);
		json_kv_string(w, "detail", results[n].detail);
		json_object_end(w);
	}
	json_array_end(w);
}

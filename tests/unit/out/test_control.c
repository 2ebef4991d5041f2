/* SPDX-License-Identifier: GPL-2.0-or-later */

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

static int reload(void *ctx, char **ret_error)
{
	struct fixture *f = ctx;

	f->reloads++;
	if (f->reload_err == -EINVAL)
		*ret_error = strdup("x.json:3: lanes[0].trigger: \"no\"\n");
	return f->reload_err;
}

static int check(void *ctx, const char *name, const char *text, size_t len, char **ret_error)
{
	(void)ctx;
	if (len == 2 && strcmp(text, "{}") == 0)
		return 0;
	if (asprintf(ret_error, "%s:1: not that", name) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static void show(void *ctx, struct json_writer *w)
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

static int lanes_from(void *ctx, const char *name, const char *text, size_t len,
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

static const struct runaway_control_ops ops = { peer_role, reload, check, show, lanes_from };

static int open_control(struct fixture *f, unsigned int max_clients, unsigned int idle_s)
{
	const struct runaway_control_config config = {
		.path = f->path,
		.mode = 0666,
		.max_clients = max_clients,
		.idle_timeout_s = idle_s,
	};

	return runaway_control_open(&config, &f->world.view, &ops, f, &f->control);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static int dial(const struct fixture *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, f->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* One turn of the daemon's loop; false when nothing happened within ms. */
static bool turn(struct fixture *f, int ms)
{
	struct pollfd p = { .fd = runaway_control_fd(f->control), .events = POLLIN };

	if (poll(&p, 1, ms) <= 0)
		return false;
	runaway_control_run(f->control);
	return true;
}

/* Until the loop has nothing to do. */
static void settle(struct fixture *f)
{
	while (turn(f, 0))
		continue;
}

static void put(struct fixture *f, int fd, const char *data, size_t len)
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
static bool get(struct fixture *f, int fd, struct strbuf *b)
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

static cJSON *ask_n(struct fixture *f, int fd, const char *line, size_t len)
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

static cJSON *ask(struct fixture *f, int fd, const char *line)
{
	return ask_n(f, fd, line, strlen(line));
}

static const char *code_of(const cJSON *answer)
{
	return runaway_json_str(cJSON_GetObjectItemCaseSensitive(answer, "error"), "code", "none");
}

/* ---- tests ---- */

static void test_every_method_answers(void **state)
{
	static const struct {
		const char *line, *want;
	} row[] = {
		{ "{\"id\":1,\"method\":\"status\"}", "\"version\":\"1.2.3\"" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":{}}", "\"uid\":65534" },
		{ "{\"id\":1,\"method\":\"doctor\"}", "\"checks\":[" },
		{ "{\"id\":1,\"method\":\"proc.orphans\"}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":500}}", "\"pid\":501" },
		{ "{\"id\":1,\"method\":\"proc.tree\",\"params\":{\"pid\":1}}", "\"children\":[" },
		{ "{\"id\":1,\"method\":\"proc.top\"}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":1}}", "\"pid\":500" },
		{ "{\"id\":1,\"method\":\"cgroup.top\",\"params\":{\"limit\":1000}}", "[" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"/ci.slice/job/\"}}",
		  "\"path\":\"/ci.slice/job\"" },
		{ "{\"id\":1,\"method\":\"lane.list\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"lane.show\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":true,\"lane_id\":"
		  "\"orphan_generic_cpu_runaway\"}}",
		  "orphan_generic_cpu_runaway" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"name\":\"x\",\"text\":\"{}\"}}",
		  "\"result\":[" },
		{ "{\"id\":1,\"method\":\"finding.list\"}", "\"lane_id\":\"quick\"" },
		{ "{\"id\":1,\"method\":\"incident.list\"}", "\"incident_id\":\"inc_" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"open\","
		  "\"lane\":\"quick\",\"limit\":1}}",
		  "\"incident_id\":\"inc_" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"closed\"}}",
		  "\"result\":[]" },
		{ "{\"id\":1,\"method\":\"config.check\",\"params\":{\"name\":\"x\","
		  "\"text\":\"{}\"}}",
		  "\"ok\":true" },
		{ "{\"id\":1,\"method\":\"config.show\"}", "\"env\":\"test\"" },
		{ "{\"id\":1,\"method\":\"config.reload\"}", "\"ok\":true" },
		{ "{\"id\":1,\"method\":\"store.verify\"}", "\"problems\":" },
		{ "{\"id\":1,\"method\":\"store.verify\"}", "\"problems\":" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		put(f, fd, row[i].line, strlen(row[i].line));
		put(f, fd, "\n", 1);
		assert_true(get(f, fd, &b));
		if (!strstr(b.data, row[i].want) || strstr(b.data, "\"error\""))
			fail_msg("%s: %s", row[i].line, b.data);
		cJSON_Delete(world_parse(&b));
		/* Whatever a process is called, it is one line without control characters. */
		for (size_t k = 0; k < b.len; k++)
			assert_true((unsigned char)b.data[k] >= 0x20);
	}
	assert_int_equal(f->reloads, 1);
	close(fd);
}

static void test_incident_documents(void **state)
{
	static const char *const part[] = { "incident", "finding", "lineage",
					    "samples",	"packet",  "events" };
	struct fixture *f = *state;
	const char *id = runaway_engine_findings(f->world.engine)->incident_id;
	char line[256];
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	snprintf(line, sizeof(line), "{\"method\":\"incident.show\",\"params\":{\"id\":\"%s\"}}",
		 id);
	answer = ask(f, fd, line);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		const cJSON *r = cJSON_GetObjectItemCaseSensitive(answer, "result");

		assert_non_null(cJSON_GetObjectItemCaseSensitive(r, part[i]));
	}
	cJSON_Delete(answer);
	snprintf(line, sizeof(line),
		 "{\"method\":\"incident.readback\",\"params\":{\"id\":\"%s\"}}", id);
	answer = ask(f, fd, line);
	assert_string_equal(runaway_json_str(cJSON_GetObjectItemCaseSensitive(answer, "result"),
					     "schema_version", ""),
			    "runaway_incident_readback_v1");
	cJSON_Delete(answer);
	snprintf(line, sizeof(line), "{\"method\":\"incident.packet\",\"params\":{\"id\":\"%s\"}}",
		 id);
	answer = ask(f, fd, line);
	assert_string_equal(
		runaway_json_str(cJSON_GetObjectItemCaseSensitive(answer, "result"), "lane_id", ""),
		"quick");
	cJSON_Delete(answer);
	close(fd);
}

static void test_ids_come_back(void **state)
{
	static const char *const id[] = { "1", "-7", "0.5", "1e+300", "\"a\\\"b\"", "null" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	char line[128], want[64];
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		snprintf(line, sizeof(line), "{\"id\":%s,\"method\":\"config.show\"}\r\n\n", id[i]);
		snprintf(want, sizeof(want), "{\"id\":%s,\"result\":", id[i]);
		put(f, fd, line, strlen(line));
		assert_true(get(f, fd, &b));
		if (strncmp(b.data, want, strlen(want)) != 0)
			fail_msg("%s: %s", id[i], b.data);
	}
	close(fd);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *line, *code;
	} row[] = {
		{ "nonsense", "usage" },
		{ "{\"id\":1,\"method\":\"status\"} x", "usage" },
		{ "{\"id\":1,\"method\":\"status\"", "usage" },
		{ "[]", "usage" },
		{ "\"status\"", "usage" },
		{ "{}", "usage" },
		{ "{\"id\":[],\"method\":\"status\"}", "usage" },
		{ "{\"id\":1,\"method\":7}", "usage" },
		{ "{\"id\":1,\"method\":\"no.such\"}", "usage" },
		{ "{\"id\":1,\"method\":\"incident.approve\",\"params\":{\"id\":\"x\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"extra\":1}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"method\":\"status\"}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":[]}", "usage" },
		{ "{\"id\":1,\"method\":\"status\",\"params\":{\"pid\":1}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\"}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":\"1\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1.5}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":0}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":-1}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":4194305}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1e308}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":1,\"pid\":2}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":4194304}}", "not_found" },
		{ "{\"id\":1,\"method\":\"proc.tree\",\"params\":{\"pid\":501}}", "not_found" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":0}}", "usage" },
		{ "{\"id\":1,\"method\":\"proc.top\",\"params\":{\"limit\":1001}}", "usage" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"cgroup.show\",\"params\":{\"path\":\"/no\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":1}}", "usage" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"lane_id\":\"no\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.show\",\"params\":{\"builtin\":true,\"lane_id\":"
		  "\"quick\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"name\":\"x\",\"text\":\"?\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"lane.test\",\"params\":{\"text\":\"{}\"}}", "usage" },
		{ "{\"id\":1,\"method\":\"incident.list\",\"params\":{\"status\":\"x\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"incident.show\",\"params\":{\"id\":\"inc_x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.show\",\"params\":{\"id\":\"../../x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.readback\",\"params\":{\"id\":\"x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"incident.packet\",\"params\":{\"id\":\"x\"}}",
		  "not_found" },
		{ "{\"id\":1,\"method\":\"config.check\",\"params\":{\"name\":\"x\",\"text\":"
		  "\"?\"}}",
		  "usage" },
		{ "{\"id\":1,\"method\":\"\xff\xfe\"}", "usage" },
	};
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		cJSON *answer = ask(f, fd, row[i].line);

		if (strcmp(code_of(answer), row[i].code) != 0)
			fail_msg("%s: %s", row[i].line, code_of(answer));
		assert_non_null(cJSON_GetObjectItemCaseSensitive(answer, "id"));
		assert_null(cJSON_GetObjectItemCaseSensitive(answer, "result"));
		cJSON_Delete(answer);
	}
	close(fd);
}

static void test_deep_and_binary_lines(void **state)
{
	static const char with_nul[] = "{\"id\":1,\0\"method\":\"status\"}";
	struct fixture *f = *state;
	char deep[4096];
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	memset(deep, '[', sizeof(deep));
	answer = ask_n(f, fd, deep, sizeof(deep));
	assert_string_equal(code_of(answer), "usage");
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(answer, "id")));
	cJSON_Delete(answer);
	answer = ask_n(f, fd, with_nul, sizeof(with_nul) - 1);
	assert_string_equal(code_of(answer), "usage");
	cJSON_Delete(answer);
	answer = ask(f, fd, "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	close(fd);
}

/* Spaces around a request make a line of any length. */
static cJSON *ask_padded(struct fixture *f, int fd, size_t len)
{
	static const char request[] = "{\"id\":9,\"method\":\"config.show\"}";
	_cleanup_free_ char *line = malloc(len);

	assert_non_null(line);
	memset(line, ' ', len);
	memcpy(line, request, sizeof(request) - 1);
	return ask_n(f, fd, line, len);
}

static void test_longest_line(void **state)
{
	struct fixture *f = *state;
	static const size_t too_long[] = { RUNAWAY_CONTROL_LINE_MAX + 1,
					   RUNAWAY_CONTROL_LINE_MAX + 100000,
					   3 * RUNAWAY_CONTROL_LINE_MAX };
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	answer = ask_padded(f, fd, RUNAWAY_CONTROL_LINE_MAX);
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	for (size_t i = 0; i < ARRAY_SIZE(too_long); i++) {
		answer = ask_padded(f, fd, too_long[i]);
		assert_string_equal(code_of(answer), "usage");
		assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(answer, "id")));
		cJSON_Delete(answer);
	}
	/* One answer for each long line, and then the connection goes on. */
	answer = ask(f, fd, "{\"id\":10,\"method\":\"config.show\"}");
	assert_int_equal(runaway_json_u64(answer, "id", 0), 10);
	cJSON_Delete(answer);
	close(fd);
}

static void test_roles(void **state)
{
	static const struct {
		enum runaway_role role;
		const char *method, *code;
	} row[] = {
		{ ROLE_NONE, "status", "denied" },
		{ ROLE_NONE, "config.reload", "denied" },
		{ ROLE_NONE, "no.such", "denied" },
		{ ROLE_VIEWER, "status", "none" },
		{ ROLE_VIEWER, "config.reload", "denied" },
		{ ROLE_OPERATOR, "status", "none" },
		{ ROLE_OPERATOR, "config.reload", "none" },
		{ ROLE_OWNER, "config.reload", "none" },
		{ ROLE_OWNER, "finding.list", "none" },
	};
	struct fixture *f = *state;

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char line[64];
		cJSON *answer;
		int fd;

		f->role = row[i].role;
		fd = dial(f);
		settle(f);
		/* The role is that of the moment of connecting. */
		f->role = ROLE_OWNER;
		snprintf(line, sizeof(line), "{\"id\":3,\"method\":\"%s\"}", row[i].method);
		answer = ask(f, fd, line);
		assert_string_equal(code_of(answer), row[i].code);
		assert_int_equal(runaway_json_u64(answer, "id", 0), 3);
		cJSON_Delete(answer);
		close(fd);
	}
	assert_int_equal(f->reloads, 2);
	assert_string_equal(runaway_role_name(ROLE_OPERATOR), "operator");
}

static void test_reload_refused(void **state)
{
	struct fixture *f = *state;
	const cJSON *error;
	cJSON *answer;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	f->reload_err = -EINVAL;
	answer = ask(f, fd, "{\"method\":\"config.reload\"}");
	error = cJSON_GetObjectItemCaseSensitive(answer, "error");
	assert_string_equal(runaway_json_str(error, "code", ""), "usage");
	assert_string_equal(runaway_json_str(error, "message", ""),
			    "x.json:3: lanes[0].trigger: \"no\"\n");
	cJSON_Delete(answer);
	f->reload_err = -EIO;
	answer = ask(f, fd, "{\"method\":\"config.reload\"}");
	assert_string_equal(code_of(answer), "failed");
	cJSON_Delete(answer);
	close(fd);
}

/* A thousand lines at once are answered in order, and a neighbour need not wait for them. */
static void test_turns(void **state)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT, b = STRBUF_INIT;
	static const char one[] = "{\"id\":\"me\",\"method\":\"config.show\"}\n";
	struct fixture *f = *state;
	char want[64];
	int busy, quiet, turns = 0;

	assert_int_equal(open_control(f, 64, 60), 0);
	busy = dial(f);
	quiet = dial(f);
	settle(f);
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&lines, "{\"id\":%d,\"method\":\"config.show\"}\n", i);
	assert_int_equal(send(busy, lines.data, lines.len, 0), lines.len);
	assert_int_equal(send(quiet, one, sizeof(one) - 1, 0), sizeof(one) - 1);
	for (char c; recv(quiet, &c, 1, MSG_PEEK) != 1; turns++)
		assert_true(turn(f, DEADLINE_MS));
	assert_true(turns <= 2);
	for (int i = 0; i < 1000; i++) {
		assert_true(get(f, busy, &b));
		snprintf(want, sizeof(want), "{\"id\":%d,", i);
		assert_int_equal(strncmp(b.data, want, strlen(want)), 0);
	}
	close(busy);
	close(quiet);
	settle(f);
	assert_false(turn(f, 0));
}

/* Costly answers to many: the daemon's other work has its turn between them. */
static void test_time_is_bounded(void **state)
{
	static const char two[] = "{\"method\":\"config.show\"}\n{\"method\":\"config.show\"}\n";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd[10];

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(f);
	settle(f);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		assert_int_equal(send(fd[i], two, sizeof(two) - 1, 0), sizeof(two) - 1);
	f->show_ns = 10 * NSEC_PER_MSEC;
	assert_true(turn(f, DEADLINE_MS));
	assert_in_range(f->shows, 1, 3);
	f->show_ns = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		assert_true(get(f, fd[i], &b));
		assert_true(get(f, fd[i], &b));
		close(fd[i]);
	}
	assert_int_equal(f->shows, 2 * ARRAY_SIZE(fd));
}

static void test_too_many_clients(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	cJSON *answer;
	int fd[80];

	assert_int_equal(open_control(f, 64, 60), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(f);
	settle(f);
	for (size_t i = 0; i < 64; i++) {
		answer = ask(f, fd[i], "{\"method\":\"config.show\"}");
		assert_string_equal(code_of(answer), "none");
		cJSON_Delete(answer);
	}
	for (size_t i = 64; i < ARRAY_SIZE(fd); i++) {
		assert_true(get(f, fd[i], &b));
		assert_non_null(strstr(b.data, "\"code\":\"failed\""));
		assert_false(get(f, fd[i], &b));
		close(fd[i]);
	}
	/* A place that is given back is given away again. */
	close(fd[0]);
	settle(f);
	fd[0] = dial(f);
	answer = ask(f, fd[0], "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	for (size_t i = 0; i < 64; i++)
		close(fd[i]);
	settle(f);
}

/* Asks and never reads: its queue is bounded, others are served, and in the end it is dropped. */
static void test_slow_reader_is_dropped(void **state)
{
	static const char line[] = "{\"method\":\"proc.orphans\"}\n";
	uint64_t limit_ns = runaway_mono_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	struct fixture *f = *state;
	struct pollfd p;
	cJSON *answer;
	int slow, other;

	assert_int_equal(open_control(f, 64, 1), 0);
	slow = dial(f);
	/* Until nothing more is taken: the daemon does not read for ever what it cannot answer. */
	for (int full = 0; full < 3;) {
		full = send(slow, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0 ? full + 1 : 0;
		settle(f);
		assert_true(runaway_mono_ns() < limit_ns);
	}
	other = dial(f);
	answer = ask(f, other, "{\"method\":\"config.show\"}");
	assert_string_equal(code_of(answer), "none");
	cJSON_Delete(answer);
	p = (struct pollfd){ .fd = slow, .events = 0 };
	while (poll(&p, 1, 0) == 0) {
		assert_true(turn(f, DEADLINE_MS));
		assert_true(runaway_mono_ns() < limit_ns);
	}
	assert_true(p.revents & POLLHUP);
	close(slow);
	close(other);
}

static void test_idle_is_dropped_and_rest_is_silent(void **state)
{
	struct fixture *f = *state;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd;

	assert_int_equal(open_control(f, 64, 1), 0);
	assert_false(turn(f, 0));
	fd = dial(f);
	assert_false(get(f, fd, &b)); /* the end of the connection, without a word */
	close(fd);
	settle(f);
	/* With nobody there no timer wakes the daemon. */
	assert_false(turn(f, 1100));
}

static void test_last_line_without_newline(void **state)
{
	static const char line[] = "{\"id\":4,\"method\":\"config.show\"}\n{\"id\":5,\"method\":"
				   "\"config.show\"}";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	fd = dial(f);
	put(f, fd, line, sizeof(line) - 1);
	shutdown(fd, SHUT_WR);
	assert_true(get(f, fd, &b));
	assert_true(get(f, fd, &b));
	assert_int_equal(strncmp(b.data, "{\"id\":5,", 8), 0);
	assert_false(get(f, fd, &b));
	close(fd);
}

static void test_peer_that_is_gone(void **state)
{
	static const char line[] = "{\"method\":\"proc.orphans\"}\n";
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_control(f, 64, 60), 0);
	for (int i = 0; i < 20; i++) {
		fd = dial(f);
		for (int k = 0; k <= i; k++)
			assert_true(send(fd, line, sizeof(line) - 1, 0) > 0);
		if (i % 2)
			turn(f, 0);
		close(fd);
		settle(f);
	}
	assert_false(turn(f, 0));
}

static void test_socket_file(void **state)
{
	struct fixture *f = *state;
	struct runaway_control *first;
	struct stat st;
	mode_t old;
	int fd;

	old = umask(0077);
	assert_int_equal(open_control(f, 64, 60), 0);
	umask(old);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0666);
	/* Somebody listens: a second daemon stays away, and the first goes on. */
	first = f->control;
	assert_int_equal(open_control(f, 64, 60), -EADDRINUSE);
	f->control = first;
	close(dial(f));
	settle(f);
	runaway_control_close(f->control);
	f->control = NULL;
	assert_int_equal(lstat(f->path, &st), -1);
	/* What a killed daemon left behind is replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		strcpy(sa.sun_path, f->path);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	close(fd);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_int_equal(open_control(f, 64, 60), 0);
	close(dial(f));
}

static void test_socket_name_of_others(void **state)
{
	struct fixture *f = *state;
	char good[sizeof(f->path)];
	struct stat st;
	int fd;

	/* A file is no socket: it is not ours to remove. */
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_control(f, 64, 60), -EEXIST);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(f->path);
	/* Our name was taken by something else meanwhile: that stays when we go. */
	assert_int_equal(open_control(f, 64, 60), 0);
	unlink(f->path);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	runaway_control_close(f->control);
	f->control = NULL;
	assert_int_equal(lstat(f->path, &st), 0);
	/* Names that cannot be. */
	strcpy(good, f->path);
	memset(f->path, 'x', sizeof(f->path) - 1);
	assert_int_equal(open_control(f, 64, 60), -ENAMETOOLONG);
	strcpy(f->path, "");
	assert_int_equal(open_control(f, 64, 60), -EINVAL);
	strcpy(f->path, "/no/such/folder/control.sock");
	assert_int_equal(open_control(f, 64, 60), -ENOENT);
	strcpy(f->path, good);
	assert_null(f->control);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_method_answers),
		TEST(test_incident_documents),
		TEST(test_ids_come_back),
		TEST(test_bad_requests),
		TEST(test_deep_and_binary_lines),
		TEST(test_longest_line),
		TEST(test_roles),
		TEST(test_reload_refused),
		TEST(test_turns),
		TEST(test_time_is_bounded),
		TEST(test_too_many_clients),
		TEST(test_slow_reader_is_dropped),
		TEST(test_idle_is_dropped_and_rest_is_silent),
		TEST(test_last_line_without_newline),
		TEST(test_peer_that_is_gone),
		TEST(test_socket_file),
		TEST(test_socket_name_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

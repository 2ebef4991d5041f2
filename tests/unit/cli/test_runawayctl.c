/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The real program against a real control socket, served by a child of this test. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "out/control.h"
#include "cli/program.h"
#include "out/harness.h"

#define PID 500

static struct {
	char dir[64];
	char socket[128];
	enum runaway_role role;
	struct world world;
	struct runaway_control *control;
	pid_t server;
} t;

/* ---- the daemon's part ---- */

static enum runaway_role peer_role(void *ctx, uid_t uid, gid_t gid, pid_t pid)
{
	(void)ctx;
	(void)uid;
	(void)gid;
	(void)pid;
	return t.role;
}

static int reload(void *ctx, char **ret_error)
{
	(void)ctx;
	(void)ret_error;
	return 0;
}

static int check(void *ctx, const char *name, const char *text, size_t len, char **ret_error)
{
	(void)ctx;
	(void)len;
	if (strncmp(text, "{}", 2) == 0)
		return 0;
	return asprintf(ret_error, "%s:1: bad \033[31m", name) < 0 ? -ENOMEM : -EINVAL;
}

static void show(void *ctx, struct json_writer *w)
{
	(void)ctx;
	json_object_begin(w);
	json_kv_string(w, "env", "test");
	json_object_end(w);
}

static int lanes_from(void *ctx, const char *name, const char *text, size_t len,
		      struct lane_set *ret, char **ret_error)
{
	cJSON *json;
	struct lane lane;
	char *path = NULL, *why = NULL;
	int r;

	(void)ctx;
	(void)name;
	*ret = (struct lane_set){ 0 };
	if (runaway_json_parse(text, len, &json, NULL) < 0)
		return -EINVAL;
	r = runaway_lane_parse(json, &lane, &path, &why);
	cJSON_Delete(json);
	free(path);
	*ret_error = why;
	return r < 0 ? r : runaway_lane_set_put(ret, &lane);
}

static const struct runaway_control_ops ops = {
	.role = peer_role, .reload = reload, .check = check, .show = show, .lanes_from = lanes_from
};

static _noreturn_ void serve(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct pollfd p = { .fd = runaway_control_fd(t.control), .events = POLLIN };

		if (poll(&p, 1, -1) > 0)
			runaway_control_run(t.control);
	}
}

static void start_server(enum runaway_role role)
{
	const struct runaway_control_config config = {
		.path = t.socket,
		.mode = 0666,
		.max_clients = 64,
		.idle_timeout_s = 60,
	};

	t.role = role;
	assert_int_equal(runaway_control_open(&config, &t.world.view, &ops, NULL, &t.control), 0);
	t.server = fork();
	assert_true(t.server >= 0);
	if (t.server == 0)
		serve();
}

static void stop_server(void)
{
	kill(t.server, SIGKILL);
	waitpid(t.server, NULL, 0);
	runaway_control_close(t.control);
	t.control = NULL;
}

static void assert_clean(const struct strbuf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] < 0x20 && b->data[i] != '\n')
			fail_msg("control character %d", b->data[i]);
}

static void assert_in(const struct strbuf *b, const char *want)
{
	if (!b->len || !strstr(b->data, want))
		fail_msg("\"%s\" is not in:\n%s", want, b->len ? b->data : "(nothing)");
}

/* ---- tests ---- */

static void write_file(const char *name, const char *text, char path[static 160])
{
	snprintf(path, 160, "%s/%s", t.dir, name);
	assert_int_equal(runaway_write_file_atomic(path, text, strlen(text), 0600), 0);
}

static void test_tables(void **state)
{
	static const struct {
		const char *args, *want;
		int status;
	} row[] = {
		{ "status", "up", 0 },
		{ "status", "LOST: ", 0 },
		{ "status", "CapEff 0000000000000000 (dropped)", 0 },
		{ "proc|orphans", "BY-DESIGN", 0 },
		{ "proc|orphans", "SIGKILL", 0 },
		{ "proc|show|500", "dead by SIGKILL", 0 },
		{ "proc|show|500", "chromium --headless '\\x1b[31m'", 0 },
		{ "proc|tree|500", "dead (SIGKILL)", 0 },
		{ "proc|tree|1", "└─ ", 0 },
		{ "proc|top", "CPU-S", 0 },
		{ "proc|top|--once|--limit|1", "CPU-S", 0 },
		{ "cgroup|top|--once", "/ci.slice/job", 0 },
		{ "cgroup|show|/ci.slice/job", "0 processes of its own", 0 },
		{ "lane|list", "orphan_browser_smoke_runaway_process", 0 },
		{ "lane|show|quick", "\"lane_id\": \"quick\"", 0 },
		{ "lane|show|--builtin|orphan_generic_cpu_runaway", "\"clear\"", 0 },
		{ "finding|list", "cpu_cores 1", 0 },
		{ "incident|list", "open", 0 },
		{ "incident|list|--status|closed", "no incidents", 0 },
		{ "incident|list|--limit=1|--lane=quick", "inc_", 0 },
		{ "config|show", "\"env\": \"test\"", 0 },
		{ "config|reload", "reloaded", 0 },
		{ "--socket|/no/such|--version", "runawayctl ", 0 },
		{ "help", "proc orphans", 0 },
		{ "help|incident", "incident readback ID", 0 },
		{ "incident|list|-h", "--status STATUS", 0 },
		{ "incident|help", "incident readback ID", 0 },
		{ "-ojson|proc|show|help", "{\"help\":\"usage: runawayctl", 0 },
		{ "-j|--version", "{\"version\":\"", 0 },
	};

	(void)state;
	start_server(ROLE_OPERATOR);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, row[i].args);

		if (r.status != row[i].status)
			fail_msg("%s: %d: %s", row[i].args, r.status, r.err.data);
		assert_in(&r.out, row[i].want);
		assert_int_equal(r.err.len, 0);
		assert_clean(&r.out);
	}
	stop_server();
}

static void test_incident_story(void **state)
{
	static const char *const want[] = { "incident", "started by", "history", "next", "█" };
	const char *id = runaway_engine_findings(t.world.engine)->incident_id;
	static const char *const verb[] = { "readback", "packet" };
	char args[128];

	(void)state;
	start_server(ROLE_VIEWER);
	snprintf(args, sizeof(args), "incident|show|%s", id);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 0);
		for (size_t i = 0; i < ARRAY_SIZE(want); i++)
			assert_in(&r.out, want[i]);
		assert_clean(&r.out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(verb); i++) {
		snprintf(args, sizeof(args), "incident|%s|%s", verb[i], id);
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 0);
		cJSON_Delete(world_parse(&r.out));
		assert_clean(&r.out);
	}
	stop_server();
}

static void test_json_documents(void **state)
{
	static const char *const args[] = {
		"-o|json|status",	   "-j|proc|orphans", "proc|show|500|-o|json",
		"proc|tree|500|-j",	   "-j|proc|top",     "-j|cgroup|top",
		"lane|list|--output=json", "-j|lane|show",    "-j|finding|list",
		"-j|incident|list",	   "-j|config|show",  "-j|config|reload",
	};

	(void)state;
	start_server(ROLE_OPERATOR);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args[i]);

		if (r.status != 0)
			fail_msg("%s: %s", args[i], r.out.data);
		cJSON_Delete(world_parse(&r.out));
		assert_clean(&r.out);
	}
	stop_server();
}

/* A document that says "not ok" is still one document, and the exit status says it as well. */
static void test_verdicts(void **state)
{
	static const char *const args[] = { "doctor", "-j|doctor" };

	(void)state;
	start_server(ROLE_VIEWER);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args[i]);

		assert_int_equal(r.status, 1);
		assert_int_equal(r.err.len, 0);
		assert_in(&r.out, i ? "\"ok\": false" : "to mend: ");
	}
	stop_server();
}

static void test_files(void **state)
{
	char good[160], bad[160], lane[160], args[256];

	(void)state;
	write_file("good.json", "{}", good);
	write_file("bad.json", "nonsense", bad);
	write_file("lane.json", world_lane, lane);
	start_server(ROLE_VIEWER);
	snprintf(args, sizeof(args), "config|check|%s", good);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 0);
		assert_in(&r.out, ": valid");
	}
	snprintf(args, sizeof(args), "config|check|%s", bad);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 2);
		assert_in(&r.err, "bad.json:1: bad \\x1b[31m");
		assert_int_equal(r.out.len, 0);
	}
	snprintf(args, sizeof(args), "-j|config|check|%s", bad);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);
		cJSON *doc = world_parse(&r.out);

		assert_int_equal(r.status, 2);
		assert_int_equal(r.err.len, 0);
		assert_string_equal(runaway_json_str(runaway_json_get(doc, "error"), "code", ""),
				    "usage");
		cJSON_Delete(doc);
	}
	snprintf(args, sizeof(args), "lane|test|%s", lane);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 0);
		assert_in(&r.out, "pid 500");
	}
	stop_server();
	unlink(good);
	unlink(bad);
	unlink(lane);
}

static void test_exit_statuses(void **state)
{
	static const struct {
		const char *args, *want;
		int status;
	} row[] = {
		{ "proc|show|4000000", "no living process", 5 },
		{ "proc|show|99999999", "no living process", 5 },
		{ "incident|show|inc_x", "no incident has the id \"inc_x\" (incident list", 5 },
		{ "config|check|/no/such/file", "No such file", 5 },
		{ "config|reload", "needs the role operator", 3 },
		{ "proc|show|0", "no process id", 2 },
		{ "proc|show|12x", "no process id", 2 },
		{ "proc|show", "needs PID", 2 },
		{ "proc|show|1|2", "too many", 2 },
		{ "proc", "orphans, show, tree, top", 2 },
		{ "incident|end|x", "list, show, readback, packet", 2 },
		{ "gates|status", "unknown noun", 2 },
		{ "incident|approve|x|--owner|a", "approve needs --plan DIGEST, --owner", 2 },
		{ "incident|apply|x", "needs the role operator", 3 },
		{ "incident|apply|x|--plan|abc", "--plan: DIGEST has 64 bytes, this has 3", 2 },
		{ "incident|dry-run|x", "needs the role operator", 3 },
		{ "incident|no-action|x", "needs --reason", 2 },
		{ "gate|keygen", "keygen needs --out", 2 },
		{ "gate|keygen|--out|/dev/null", "/dev/null is there already", 2 },
		{ "gate|disarm", "needs the role operator", 3 },
		{ "incident|list|--status|sleeping", "unknown status", 2 },
		{ "incident|list|--limit|0", "no number from 1", 2 },
		{ "status|--once", "unknown option --once", 2 },
		{ "--limit|3|proc|top", "unknown option --limit", 2 },
		{ "-o|yaml|status", "table or json", 2 },
		{ "-o", "--output needs", 2 },
		{ "--json=1|status", "takes no value", 2 },
		{ "", "nothing to do", 2 },
		{ "--socket|/no/such/socket|status", "no daemon listens at /no/such/socket", 1 },
	};

	(void)state;
	start_server(ROLE_VIEWER);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, row[i].args);
		char json_args[160];

		if (r.status != row[i].status)
			fail_msg("%s: %d: %s%s", row[i].args, r.status, r.out.data, r.err.data);
		assert_in(&r.err, row[i].want);
		assert_int_equal(r.out.len, 0);
		/* The same error as a document, wherever -j stands. */
		snprintf(json_args, sizeof(json_args), "-j|%s", row[i].args);
		_cleanup_run_ struct run j = program_run(t.dir, t.socket, json_args);

		if (j.status != row[i].status)
			fail_msg("%s: %d", json_args, j.status);
		cJSON_Delete(world_parse(&j.out));
		assert_in(&j.out, "\"error\"");
		assert_int_equal(j.err.len, 0);
	}
	stop_server();
}

static int bound_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, t.socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* What could be done without a daemon is asked of it all the same, and once. */
static void test_one_connection(void **state)
{
	static const char *const args[] = { "config|check|/dev/null", "lane|show|--builtin" };
	static const char answer[] = "{\"id\":1,\"result\":[]}\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		_cleanup_close_ int fd = bound_socket();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char line[4096];
		int status;
		pid_t pid;

		assert_int_equal(listen(fd, 8), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			int peer = accept(fd, NULL, NULL);

			_exit(read(peer, line, sizeof(line)) <= 0 ||
			      write(peer, answer, strlen(answer)) < 0);
		}
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args[i]);

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(r.status, 0);
		assert_int_equal(poll(&p, 1, 0), 0);
		unlink(t.socket);
	}
}

static void test_no_role_and_no_daemon(void **state)
{
	(void)state;
	start_server(ROLE_NONE);
	{
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, "status");

		assert_int_equal(r.status, 3);
	}
	/* Killed: the name is left, nobody listens. */
	kill(t.server, SIGKILL);
	waitpid(t.server, NULL, 0);
	runaway_control_close(t.control);
	t.control = NULL;
	close(bound_socket());
	_cleanup_run_ struct run r = program_run(t.dir, t.socket, "status");

	assert_int_equal(r.status, 1);
	assert_in(&r.err, "systemctl start runawayd");
	unlink(t.socket);
}

/* No step is asked for when nothing is left to do. The last test: it changes the world. */
static void test_resolved_incident(void **state)
{
	const char *id = runaway_engine_findings(t.world.engine)->incident_id;
	static const char *const verb[] = { "show", "packet" };

	(void)state;
	assert_int_equal(
		runaway_incident_self_clear(t.world.store, id, FINDING_GONE, t.world.model), 0);
	start_server(ROLE_VIEWER);
	for (size_t i = 0; i < ARRAY_SIZE(verb); i++) {
		char args[128];

		snprintf(args, sizeof(args), "incident|%s|%s", verb[i], id);
		_cleanup_run_ struct run r = program_run(t.dir, t.socket, args);

		assert_int_equal(r.status, 0);
		assert_in(&r.out, "resolved: nothing to do");
		assert_null(strstr(r.out.data, "source command and owner"));
	}
	stop_server();
}

static int set_up(void **state)
{
	static const char args[] = "chromium\0--headless\0\033[31m";

	(void)state;
	strcpy(t.dir, "/tmp/runawayctl.XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.socket, sizeof(t.socket), "%s/control.sock", t.dir);
	world_init(&t.world, 1024, 16);
	t.world.runtime.state_dir = t.dir;
	world_cgroup(&t.world, 77, 1, "/ci.slice/job", RW_CG_MKDIR);
	world_orphan(&t.world, PID, "chrom\"\n\033", "smoke.sh", args, sizeof(args));
	world_burn(&t.world, PID, 1, 5);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_free(&t.world);
	return rmdir(t.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_incident_story),
		cmocka_unit_test(test_json_documents),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test(test_one_connection),
		cmocka_unit_test(test_no_role_and_no_daemon),
		cmocka_unit_test(test_resolved_incident),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

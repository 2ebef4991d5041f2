// SPDX-License-Identifier: GPL-2.0-or-later
/* runaway-gate as the daemon sees it: its start, its state, its end. */

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/daemon.h"

#define PROGRAM	      "runaway-gate"
#define FOLDER_SUFFIX ".gate"
/* Guard, self-test and actuator: some seconds where the kernel is emulated. */
#define START_S	    120
#define STATUS_NS   (5 * NSEC_PER_SEC)
#define END_WAIT_MS 2000

bool gate_works(const struct daemon *d)
{
	return gate_link_alive(d->gate.link);
}

/* ---- what it last told ---- */

/* The words of a list, or the text itself. */
static void join(const cJSON *list, char *ret, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *e;

	if (cJSON_IsString(list))
		strbuf_adds(&b, list->valuestring);
	cJSON_ArrayForEach (e, list)
		strbuf_addf(&b, "%s%s", b.len ? ", " : "",
			    cJSON_IsString(e) ? e->valuestring : "?");
	snprintf(ret, size, "%s", b.data ? b.data : "");
}

void gate_take_status(struct daemon *d, const cJSON *s)
{
	struct runaway_gate_view *v = &d->runtime.gate;
	const cJSON *refusals = runaway_json_get(s, "refusals");
	char against[256];
	char *text = cJSON_PrintUnformatted(s);

	if (text) {
		free(d->gate.status_json);
		d->gate.status_json = text;
	}
	v->armed = runaway_json_true(s, "armed", false);
	v->disarmed = runaway_json_true(s, "disarmed", false);
	v->enforced = runaway_json_true(s, "enforced", false);
	snprintf(v->tier, sizeof(v->tier), "%s", runaway_json_str(s, "tier", "T5"));
	snprintf(v->tier_name, sizeof(v->tier_name), "%s", runaway_json_str(s, "tier_name", ""));
	join(runaway_json_get(s, "why"), against, sizeof(against));
	if (v->armed || !*against)
		snprintf(v->why, sizeof(v->why), "%s", runaway_json_str(s, "tier_why", ""));
	else
		snprintf(v->why, sizeof(v->why), "%s", against);
	v->requests = runaway_json_u64(s, "requests", v->requests);
	v->signals = runaway_json_u64(s, "signals", v->signals);
	v->recursion_misses = runaway_json_u64(s, "recursion_misses", v->recursion_misses);
	v->audit_seq = runaway_json_u64(runaway_json_get(s, "audit"), "seq", v->audit_seq);
	for (enum runaway_reason r = RUNAWAY_REASON_NONE + 1; r < RUNAWAY_REASON_COUNT; r++)
		v->refusals[r] = runaway_json_u64(refusals, runaway_reason_name(r), v->refusals[r]);
}

static void on_status(void *ctx, int err, const cJSON *answer)
{
	struct daemon *d = ctx;

	d->gate.asking = false;
	if (err == 0)
		gate_take_status(d, answer);
}

void gate_ask_status(struct daemon *d)
{
	if (!gate_works(d) || d->gate.asking)
		return;
	d->gate.asked_ns = runaway_boot_ns();
	d->gate.asking = gate_link_ask(d->gate.link, "status", NULL, on_status, d) == 0;
}

/* ---- start ---- */

static void write_keys(struct json_writer *w, const struct gate_config *g)
{
	json_key(w, "keys");
	json_array_begin(w);
	for (size_t n = 0; n < g->key_count; n++) {
		json_object_begin(w);
		json_kv_string(w, "owner", g->key[n].owner);
		json_kv_string(w, "public", g->key[n].public_hex);
		json_object_end(w);
	}
	json_array_end(w);
	json_key(w, "protected");
	json_array_begin(w);
	for (size_t n = 0; n < g->protected_.count; n++)
		json_string(w, g->protected_.item[n]);
	json_array_end(w);
}

static void write_hello(const struct daemon *d, struct strbuf *b)
{
	const struct runaway_features *f = runaway_sensor_features(d->sensor);
	const struct gate_config *g = &d->config.gate;
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "host_label", d->host_label);
	json_kv_bool(&w, "require_signature", g->require_signature);
	json_kv_bool(&w, "two_person", g->two_person);
	json_kv_bool(&w, "require_kernel_guard", g->require_kernel_guard);
	json_kv_bool(&w, "require_clock_sync", g->require_clock_sync);
	write_keys(&w, g);
	json_kv_uint(&w, "budget_per_hour", g->budget_per_hour);
	json_kv_uint(&w, "settle_s", g->settle_s);
	json_kv_uint(&w, "approval_max_age_s", g->approval_max_age_s);
	json_kv_uint(&w, "plan_max_age_s", g->plan_max_age_s);
	json_kv_uint(&w, "window_max_s", g->window_max_s);
	json_kv_uint(&w, "clock_tolerance_ms", g->clock_tolerance_ms);
	json_kv_int(&w, "cgroup_ssid", f->cgroup_ssid);
	json_kv_string(&w, "cgroup_controller", f->cgroup_controller);
	json_kv_string(&w, "guard_cgroup", "");
	json_object_end(&w);
}

/* Beside this program: what was installed together runs together. */
static char *program_path(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	return runaway_path_join(dirname(self), PROGRAM);
}

/*
 * Beside the state directory, not in it: that one is the daemon's, who could rename a
 * folder in it away, and with it the audit, the disarming and the approvals used. 0 or
 * a negative errno; -ENOENT when it is not there and need not be made.
 */
static int open_folder(struct daemon *d, bool make)
{
	_cleanup_free_ char *path = NULL;
	size_t len = strlen(d->state_dir);
	int fd;

	while (len > 1 && d->state_dir[len - 1] == '/')
		len--;
	if (asprintf(&path, "%.*s" FOLDER_SUFFIX, (int)len, d->state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	d->gate.folder_fd = fd;
	/* Whatever the umask: the daemon reads the audit there, and nothing else. */
	return make && fchmod(fd, 0755) < 0 ? -errno : 0;
}

static int start(struct daemon *d)
{
	_cleanup_free_ char *program = program_path();
	_cleanup_strbuf_ struct strbuf hello = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	struct gate_link_config c = { .program = program, .timeout_s = START_S };
	int r = open_folder(d, true);

	if (r < 0)
		return r;
	write_hello(d, &hello);
	if (!program || hello.error)
		return -ENOMEM;
	c.folder_fd = d->gate.folder_fd;
	c.hello = hello.data;
	r = gate_link_start(&c, &d->gate.link, &answer);
	if (r < 0)
		return r;
	if (!runaway_json_true(answer, "ok", false)) {
		log_error("the gate refuses its configuration: %s: %s",
			  runaway_json_str(answer, "error", "?"),
			  runaway_json_str(answer, "message", ""));
		gate_link_close(TAKE_PTR(d->gate.link));
		return -EPROTO;
	}
	gate_take_status(d, answer);
	return 0;
}

int gate_start(struct daemon *d)
{
	struct runaway_gate_view *v = &d->runtime.gate;
	int r;

	v->enabled = d->config.gate.enabled;
	snprintf(v->tier, sizeof(v->tier), "T5");
	snprintf(v->tier_name, sizeof(v->tier_name), "disabled");
	if (!v->enabled) {
		snprintf(v->why, sizeof(v->why),
			 "the configuration does not enable it: nothing here can send a signal");
		/* An incident may have been acted on before it was switched off. */
		(void)open_folder(d, false);
		return 0;
	}
	r = start(d);
	if (r < 0) {
		/* A host without a gate still wants its sensor. */
		log_error_errno(r, "the gate cannot be started: nothing can be signalled");
		snprintf(v->why, sizeof(v->why), "it could not be started: %s",
			 runaway_strerror(r));
		return 0;
	}
	v->alive = true;
	log_info("the gate runs as pid %d: %s (%s), %s", gate_link_pid(d->gate.link), v->tier,
		 v->tier_name, v->armed ? "armed" : v->why);
	return 0;
}

/* ---- its end ---- */

static void ended(struct daemon *d)
{
	struct runaway_gate_view *v = &d->runtime.gate;

	v->alive = v->armed = v->enforced = false;
	snprintf(v->tier, sizeof(v->tier), "T5");
	snprintf(v->tier_name, sizeof(v->tier_name), "disabled");
	snprintf(v->why, sizeof(v->why),
		 "the gate has ended: nothing can be signalled until the daemon is restarted");
	log_error("%s", v->why);
	epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, gate_link_fd(d->gate.link), NULL);
}

void gate_run(struct daemon *d)
{
	if (d->gate.link && !gate_link_run(d->gate.link) && d->runtime.gate.alive)
		ended(d);
}

void gate_reap(struct daemon *d)
{
	int status;
	pid_t pid;

	/* Of what it said before it ended nothing is lost: the socket tells the end. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (d->gate.link && pid == gate_link_pid(d->gate.link))
			log_error("the gate's process %d ended (%s %d)", pid,
				  WIFSIGNALED(status) ? "signal" : "status",
				  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void gate_stop(struct daemon *d)
{
	struct daemon_gate *g = &d->gate;
	pid_t pid = g->link ? gate_link_pid(g->link) : 0;

	gate_link_close(TAKE_PTR(g->link));
	runaway_child_reap(pid, END_WAIT_MS);
	drill_free(d);
	free(g->status_json);
	free(g->due);
	free(g->watched);
	free(g->early);
	runaway_closep(&g->folder_fd);
	*g = (struct daemon_gate){ .folder_fd = -1 };
}

/* ---- each tick ---- */

void gate_tick(struct daemon *d)
{
	signals_update(d);
	drill_tick(d);
	post_check_tick(d);
	d->runtime.gate.authorized = approve_authorized(d);
	if (runaway_boot_ns() - d->gate.asked_ns >= STATUS_NS)
		gate_ask_status(d);
}

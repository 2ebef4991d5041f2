/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CI markers: the allow-list of environment names, and which runner they speak of. */

#include <string.h>

#include "model/internal.h"

/*
 * Identifiers only. Names whose values open doors (tokens, the process cookies
 * of Jenkins, ACTIONS_*) are not here and so never leave the kernel's page.
 */
static const char *const names[] = {
	"CI",
	/* GitHub Actions, and those that speak its language */
	"GITHUB_ACTIONS",
	"GITHUB_RUN_ID",
	"GITHUB_RUN_NUMBER",
	"GITHUB_RUN_ATTEMPT",
	"GITHUB_REPOSITORY",
	"GITHUB_JOB",
	"GITHUB_WORKFLOW",
	"GITHUB_ACTION",
	"GITHUB_REF_NAME",
	"GITHUB_SHA",
	"GITHUB_EVENT_NAME",
	"GITHUB_SERVER_URL",
	"RUNNER_NAME",
	"RUNNER_TRACKING_ID",
	"RUNNER_ENVIRONMENT",
	/* gitea runner, act */
	"GITEA_ACTIONS",
	"GITEA_ACTIONS_RUNNER_VERSION",
	"GITEA_TASK_ID",
	"GITEA_RUN_ID",
	"FORGEJO_ACTIONS",
	"ACT",
	/* GitLab */
	"GITLAB_CI",
	"CI_SERVER",
	"CI_JOB_ID",
	"CI_JOB_NAME",
	"CI_JOB_URL",
	"CI_PIPELINE_ID",
	"CI_PROJECT_ID",
	"CI_PROJECT_PATH",
	"CI_PROJECT_DIR",
	"CI_CONCURRENT_ID",
	"CI_RUNNER_ID",
	"CI_COMMIT_SHA",
	/* Jenkins */
	"JENKINS_URL",
	"BUILD_ID",
	"BUILD_NUMBER",
	"BUILD_TAG",
	"BUILD_URL",
	"JOB_NAME",
	"EXECUTOR_NUMBER",
	"NODE_NAME",
	/* Buildkite */
	"BUILDKITE",
	"BUILDKITE_JOB_ID",
	"BUILDKITE_BUILD_ID",
	"BUILDKITE_BUILD_NUMBER",
	"BUILDKITE_AGENT_NAME",
	"BUILDKITE_PIPELINE_SLUG",
	/* Drone, Woodpecker */
	"DRONE",
	"DRONE_BUILD_NUMBER",
	"DRONE_REPO",
	"DRONE_STEP_NAME",
	"CI_SYSTEM_NAME",
	"CI_PIPELINE_NUMBER",
	"CI_REPO",
	"CI_WORKFLOW_NAME",
	"CI_STEP_NAME",
	NULL,
};

static_assert(ARRAY_SIZE(names) - 1 <= 60, "slots of the kernel's allow-list");

const char *const *runaway_ci_marker_names(void)
{
	return names;
}

static const char *value_of(const struct runaway_ci *ci, const char *name)
{
	for (size_t i = 0; i < ci->count; i++)
		if (strcmp(ci->marker[i].name, name) == 0)
			return ci->marker[i].value;
	return NULL;
}

/* One sign of a runner: a marker, and how its value must begin. */
struct sign {
	const char *runner, *name, *value;
};

/* Most telling first: gitea and act set GitHub's names, too, Woodpecker sets Drone's. */
static const struct sign signs[] = {
	{ "gitea", "GITEA_ACTIONS", "true" },
	{ "gitea", "GITEA_ACTIONS_RUNNER_VERSION", "" },
	{ "gitea", "GITEA_TASK_ID", "" },
	{ "gitea", "GITEA_RUN_ID", "" },
	{ "gitea", "FORGEJO_ACTIONS", "true" },
	{ "act", "ACT", "true" },
	{ "github", "GITHUB_ACTIONS", "true" },
	{ "github", "GITHUB_RUN_ID", "" },
	{ "github", "RUNNER_TRACKING_ID", "github_" },
	{ "woodpecker", "CI", "woodpecker" },
	{ "woodpecker", "CI_SYSTEM_NAME", "woodpecker" },
	{ "drone", "DRONE", "true" },
	{ "drone", "CI", "drone" },
	{ "drone", "DRONE_BUILD_NUMBER", "" },
	{ "gitlab", "GITLAB_CI", "true" },
	{ "gitlab", "CI_SERVER", "yes" },
	{ "gitlab", "CI_JOB_ID", "" },
	{ "buildkite", "BUILDKITE", "true" },
	{ "buildkite", "BUILDKITE_JOB_ID", "" },
	{ "jenkins", "JENKINS_URL", "" },
	{ "jenkins", "BUILD_TAG", "jenkins-" },
	{ "jenkins", "EXECUTOR_NUMBER", "" },
	{ "unknown", "CI", "true" },
	{ "unknown", "CI", "1" },
	{ "unknown", "CI", "yes" },
};

static const char *runner_of(const struct runaway_ci *ci, const char *const *extra)
{
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		const char *v = value_of(ci, signs[i].name);

		/* An empty marker is how jobs opt out of being tracked. */
		if (v && *v && strncasecmp(v, signs[i].value, strlen(signs[i].value)) == 0)
			return signs[i].runner;
	}
	/* Whoever names a marker of their own says that it means a job. */
	for (; extra && *extra; extra++) {
		const char *v = value_of(ci, *extra);

		if (v && *v)
			return "unknown";
	}
	return NULL;
}

static bool in_list(const char *const *list, const char *name, size_t len)
{
	for (; list && *list; list++)
		if (strlen(*list) == len && strncmp(*list, name, len) == 0)
			return true;
	return false;
}

bool ci_names_job(const struct runaway_ci *ci)
{
	if (strcmp(ci->runner, "unknown") != 0)
		return true;
	for (size_t i = 0; i < ci->count; i++)
		if (!in_list(names, ci->marker[i].name, strlen(ci->marker[i].name)))
			return true;
	return false;
}

/* Takes "NAME=value"; one that is not on the list, or was there before, is left out. */
static int add_marker(struct runaway_ci *ci, const char *s, size_t len, const char *const *extra)
{
	_cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
	_cleanup_free_ char *name = NULL;
	const char *eq = memchr(s, '=', len);
	char *text;

	if (!eq || ci->count == RW_MARKER_NAMES ||
	    (!in_list(names, s, (size_t)(eq - s)) && !in_list(extra, s, (size_t)(eq - s))))
		return 0;
	name = strndup(s, (size_t)(eq - s));
	if (!name)
		return -ENOMEM;
	if (value_of(ci, name))
		return 0;
	runaway_redact_args(eq + 1, len - (size_t)(eq + 1 - s), NULL, &value);
	text = strbuf_take(&value);
	if (!text)
		return -ENOMEM;
	ci->marker[ci->count++] = (struct runaway_marker){ .name = TAKE_PTR(name), .value = text };
	return 0;
}

static int compare_markers(const void *a, const void *b)
{
	return strcmp(((const struct runaway_marker *)a)->name,
		      ((const struct runaway_marker *)b)->name);
}

/* A set has no order: a shell exports the same variables in another one. */
static int make_text(struct runaway_ci *ci)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	qsort(ci->marker, ci->count, sizeof(*ci->marker), compare_markers);
	for (size_t i = 0; i < ci->count; i++) {
		strbuf_addf(&b, "%s=%s", ci->marker[i].name, ci->marker[i].value);
		strbuf_addc(&b, '\0');
	}
	ci->text_len = b.len;
	ci->text = strbuf_take(&b);
	return ci->text ? 0 : -ENOMEM;
}

int runaway_ci_parse(const char *markers, size_t len, const char *const *extra,
		     struct runaway_ci **ret)
{
	struct runaway_ci *ci;
	int r = 0;

	*ret = NULL;
	if (len == 0)
		return 0;
	ci = calloc(1, sizeof(*ci));
	if (!ci)
		return -ENOMEM;
	ci->refs = 1;
	ci->marker = calloc(RW_MARKER_NAMES, sizeof(*ci->marker));
	if (!ci->marker)
		r = -ENOMEM;
	for (size_t at = 0; r == 0 && at < len;) {
		size_t n = strnlen(markers + at, len - at);

		r = add_marker(ci, markers + at, n, extra);
		at += n + 1;
	}
	if (r == 0)
		r = make_text(ci);
	ci->runner = r == 0 ? runner_of(ci, extra) : NULL;
	/* JOB_NAME or NODE_NAME alone are anybody's: no runner, no job. */
	if (r < 0 || !ci->runner) {
		runaway_ci_unref(ci);
		return r;
	}
	*ret = ci;
	return 0;
}

void runaway_ci_unref(struct runaway_ci *ci)
{
	if (!ci || --ci->refs > 0)
		return;
	for (size_t i = 0; i < ci->count; i++) {
		free(ci->marker[i].name);
		free(ci->marker[i].value);
	}
	free(ci->marker);
	free(ci->text);
	free(ci);
}

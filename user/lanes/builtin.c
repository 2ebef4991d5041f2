/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lanes that need no configuration. They are written in the form of the
 * configuration and read by its parser, so there is one home for that form, and
 * what `lane show --builtin` prints can be put into a file and changed there.
 * The reason of every number is in docs/lanes.md.
 */

#include <string.h>

#include "base/json.h"
#include "lanes/builtin.h"
#include "lanes/lane.h"

static const char builtin_json[] =
	"["
	"{"
	"  \"lane_id\": \"orphan_browser_smoke_runaway_process\","
	"  \"alertname\": \"HostOrphanBrowserSmokeHighCpu\","
	"  \"classification\": \"host_resource_runaway_process\","
	"  \"action_policy\": \"triage_packet_then_dry_run_then_gated_sigterm\","
	"  \"severity\": \"P1\","
	"  \"subject\": \"orphan_tree\","
	"  \"match\": {"
	"    \"exe_any\": ["
	"      \"*/chrome\", \"*/chromium\", \"*/chromium-browser*\", \"*/google-chrome*\","
	"      \"*/chrome-headless-shell\", \"*/headless_shell\","
	"      \"*/msedge\", \"*/microsoft-edge*\","
	"      \"*/firefox\", \"*/firefox-esr\", \"*/firefox-bin\", \"*/MiniBrowser\","
	"      \"*/chromedriver\", \"*/msedgedriver\", \"*/geckodriver\""
	"    ],"
	"    \"args_any\": ["
	"      \"--headless\", \"--headless=*\", \"-headless\","
	"      \"--enable-automation\", \"--test-type=webdriver\","
	"      \"--remote-debugging-port\", \"--remote-debugging-port=*\","
	"      \"--remote-debugging-pipe\", \"--remote-debugging-pipe=*\","
	"      \"--marionette\", \"-marionette\", \"-juggler-pipe\", \"--inspector-pipe\","
	"      \"--port\", \"--port=*\""
	"    ],"
	"    \"daemonised_any\": [\"no\", \"unknown\"],"
	"    \"not\": {"
	"      \"args_any\": [\"--type=*\", \"-contentproc*\"],"
	"      \"comm_any\": [\"chrome_crashpad*\", \"crashhelper*\"]"
	"    }"
	"  },"
	"  \"trigger\": { \"cpu_cores_min\": 0.5, \"age_s_min\": 120, \"for_s\": 60 },"
	"  \"clear\": { \"cpu_cores_max\": 0.1, \"for_s\": 60 }"
	"},"
	"{"
	"  \"lane_id\": \"ci_runner_load_saturation\","
	"  \"alertname\": \"HostCiRunnerLoadSaturation\","
	"  \"classification\": \"host_resource_capacity\","
	"  \"action_policy\": \"capacity_triage_no_process_remediation\","
	"  \"severity\": \"P2\","
	"  \"subject\": \"host\","
	"  \"trigger\": { \"load5_per_core_min\": 1.5, \"ci_cpu_share_min\": 0.5, \"for_s\": 120 },"
	"  \"clear\": { \"load5_per_core_max\": 1.0, \"for_s\": 120 }"
	"},"
	"{"
	"  \"lane_id\": \"orphan_generic_cpu_runaway\","
	"  \"alertname\": \"HostOrphanHighCpu\","
	"  \"classification\": \"host_resource_runaway_process\","
	"  \"action_policy\": \"capacity_triage_no_process_remediation\","
	"  \"severity\": \"P3\","
	"  \"subject\": \"orphan_tree\","
	"  \"fallback\": true,"
	"  \"match\": {"
	"    \"daemonised_any\": [\"no\"],"
	"    \"not\": { \"cgroup_any\": [\"*/app.slice/app-*\"] }"
	"  },"
	"  \"trigger\": { \"cpu_cores_min\": 0.5, \"age_s_min\": 300, \"for_s\": 120 },"
	"  \"clear\": { \"cpu_cores_max\": 0.1, \"for_s\": 60 }"
	"}"
	"]";

static int parse_one(const cJSON *json, struct lane *ret)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	int r = runaway_lane_parse(json, ret, &path, &why);

	/* The text above is ours: the unit tests read all of it. */
	assert(r != -EINVAL);
	if (!r)
		ret->builtin = true;
	return r;
}

int runaway_lane_set_builtin(struct lane_set *ret)
{
	_cleanup_cjson_ cJSON *root = NULL;
	_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };
	const cJSON *item;
	int r = runaway_json_parse(builtin_json, sizeof(builtin_json) - 1, &root, NULL);

	if (r)
		return r;
	cJSON_ArrayForEach (item, root) {
		struct lane lane = { 0 };

		r = parse_one(item, &lane);
		if (!r)
			r = runaway_lane_set_put(&set, &lane);
		if (r)
			return r;
	}
	*ret = set;
	set = (struct lane_set){ 0 };
	return 0;
}

int runaway_lane_builtin(const char *lane_id, struct lane *ret)
{
	_cleanup_cjson_ cJSON *root = NULL;
	const cJSON *item;
	int r = runaway_json_parse(builtin_json, sizeof(builtin_json) - 1, &root, NULL);

	if (r)
		return r;
	cJSON_ArrayForEach (item, root)
		if (!strcmp(runaway_json_str(item, "lane_id", ""), lane_id))
			return parse_one(item, ret);
	return -ENOENT;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/exposition.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

static char folder[] = "/tmp/runaway-textfile-XXXXXX";

static int make_folder(void **state _unused_)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state _unused_)
{
	DIR *dir = opendir(folder);

	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (d->d_name[0] != '.')
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
	return rmdir(folder);
}

static void read_back(const char *path, struct expo *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	assert_int_equal(runaway_read_file(AT_FDCWD, path, 1 << 20, &b), 0);
	expo_parse(&b, false, ret);
}

static void test_file_and_mode(void **state _unused_)
{
	char *path = runaway_path_join(folder, "own.prom");
	mode_t mask = umask(0077);
	struct world w;
	struct stat st;
	struct expo e;

	world_init(&w, 100, 10);
	assert_int_equal(runaway_textfile_write(&w.view, path), 0);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	read_back(path, &e);
	/* It says when itself was written; the runtime is the daemon's to change. */
	assert_true(expo_value(&e, "runaway_textfile_last_write_timestamp_seconds") > 1.7e9);
	assert_true(w.runtime.textfile_last_write_realtime_ns == 0);
	expo_free(&e);
	free(path);
	world_free(&w);
}

static void test_folder_gets_the_default_name(void **state _unused_)
{
	char *path = runaway_path_join(folder, "host_runaway_process.prom");
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	assert_int_equal(runaway_textfile_write(&w.view, folder), 0);
	assert_int_equal(runaway_textfile_write(&w.view, folder), 0);
	read_back(path, &e);
	assert_true(expo_value(&e, "runaway_monitor_up") == 1);
	expo_free(&e);
	free(path);
	world_free(&w);
}

/* Both sinks hold the same families, so that one dashboard reads either. */
static void test_same_families(void **state _unused_)
{
	char *path = runaway_path_join(folder, "same.prom");
	struct world w;
	struct expo file, http;

	world_init(&w, 100, 10);
	w.runtime.textfile_last_write_realtime_ns = WORLD_REALTIME_NS;
	assert_int_equal(runaway_textfile_write(&w.view, path), 0);
	read_back(path, &file);
	expo_of(&w, METRICS_TEXT, &http);
	assert_int_equal(file.family_count, http.family_count);
	for (size_t i = 0; i < file.family_count; i++)
		assert_string_equal(file.families[i], http.families[i]);
	expo_free(&file);
	expo_free(&http);
	free(path);
	world_free(&w);
}

static void test_failure_is_told(void **state _unused_)
{
	char *path = runaway_path_join(folder, "missing/own.prom");
	struct world w;

	world_init(&w, 100, 10);
	assert_int_equal(runaway_textfile_write(&w.view, path), -ENOENT);
	free(path);
	world_free(&w);
}

static void test_link_is_replaced(void **state _unused_)
{
	char *link = runaway_path_join(folder, "link.prom");
	char *victim = runaway_path_join(folder, "victim");
	int fd = open(victim, O_CREAT | O_WRONLY, 0600);
	struct world w;
	struct stat st;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(victim, link), 0);
	world_init(&w, 100, 10);
	assert_int_equal(runaway_textfile_write(&w.view, link), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	free(link);
	free(victim);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file_and_mode, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_folder_gets_the_default_name, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_same_families, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_failure_is_told, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_link_is_replaced, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

/* Each test works in a folder of its own and finds it as its working directory. */
struct sandbox {
	char path[64];
	int old_cwd;
};

static int set_up(void **state)
{
	struct sandbox *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	strcpy(s->path, "/tmp/test_fs.XXXXXX");
	s->old_cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = s;
	return s->old_cwd < 0 || !mkdtemp(s->path) || chdir(s->path) < 0 ? -1 : 0;
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct sandbox *s = *state;
	int r = fchdir(s->old_cwd);

	close(s->old_cwd);
	r |= nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return r;
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0) {
		fail_msg("%s: %s", path, strerror(errno));
		abort(); /* never reached: fail_msg() does not say that it does not return */
	}
	return fd;
}

static void put_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = must_open(path, O_WRONLY | O_CREAT | O_TRUNC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_file(const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	assert_int_equal(runaway_read_file(AT_FDCWD, path, 1 << 20, &b), 0);
	assert_string_equal(b.data, want);
}

static int count_entries(const char *path)
{
	DIR *d = fdopendir(must_open(path, O_RDONLY | O_DIRECTORY));
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void reads_whole_files(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "what was there before");
	put_file("a", "text\nmore\n");
	assert_int_equal(runaway_read_file(AT_FDCWD, "a", 100, &b), 0);
	assert_string_equal(b.data, "text\nmore\n");
	put_file("empty", "");
	assert_int_equal(runaway_read_file(AT_FDCWD, "empty", 0, &b), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void reads_relative_to_a_folder(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_close_ int fd = -1;

	assert_int_equal(mkdir("d", 0700), 0);
	put_file("d/f", "inside");
	fd = must_open("d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(runaway_read_file(fd, "f", 100, &b), 0);
	assert_string_equal(b.data, "inside");
}

/* Their st_size is 0, and a long one comes in several reads. */
static void reads_files_of_proc(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	assert_int_equal(runaway_read_file(AT_FDCWD, "/proc/self/stat", 1 << 16, &b), 0);
	assert_true(b.len > 50);
	assert_int_equal(b.data[b.len - 1], '\n');
	assert_int_equal(runaway_read_file(AT_FDCWD, "/proc/self/smaps", 1 << 24, &b), 0);
	assert_true(b.len > 4096);
	assert_non_null(strstr(b.data, "VmFlags"));
}

static void limit_counts_bytes_exactly(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = malloc(20001);

	memset(text, 'x', 20000);
	text[20000] = '\0';
	put_file("big", text);
	assert_int_equal(runaway_read_file(AT_FDCWD, "big", 20000, &b), 0);
	assert_int_equal(b.len, 20000);
	assert_int_equal(runaway_read_file(AT_FDCWD, "big", 19999, &b), -EFBIG);
	assert_int_equal(b.len, 0);
	assert_int_equal(runaway_read_file(AT_FDCWD, "big", 0, &b), -EFBIG);
	/* A file without an end stops there too. */
	assert_int_equal(runaway_read_file(AT_FDCWD, "/dev/zero", 1 << 20, &b), -EFBIG);
}

static void read_failures(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "old");
	assert_int_equal(runaway_read_file(AT_FDCWD, "missing", 10, &b), -ENOENT);
	assert_int_equal(b.len, 0);
	assert_int_equal(runaway_read_file(AT_FDCWD, ".", 10, &b), -EISDIR);
	assert_int_equal(runaway_read_file(-1, "missing", 10, &b), -EBADF);
}

static void a_fifo_does_not_hang_the_reader(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_close_ int writer = -1;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(runaway_read_file(AT_FDCWD, "fifo", 10, &b), 0);
	assert_int_equal(b.len, 0);
	writer = must_open("fifo", O_RDWR | O_NONBLOCK);
	assert_int_equal(runaway_read_file(AT_FDCWD, "fifo", 10, &b), -EAGAIN);
	/* What came before the failure is not handed out. */
	assert_int_equal(write(writer, "x", 1), 1);
	assert_int_equal(runaway_read_file(AT_FDCWD, "fifo", 10, &b), -EAGAIN);
	assert_int_equal(b.len, 0);
}

static void replaces_the_whole_file(_unused_ void **state)
{
	put_file("f", "a long old content");
	assert_int_equal(runaway_write_file_atomic("f", "new", 3, 0644), 0);
	assert_file("f", "new");
	assert_int_equal(runaway_write_file_atomic("f", NULL, 0, 0644), 0);
	assert_file("f", "");
	assert_int_equal(runaway_write_file_atomic("g", "made", 4, 0644), 0);
	assert_file("g", "made");
	assert_int_equal(count_entries("."), 2);
}

static void writes_in_other_folders(void **state)
{
	struct sandbox *s = *state;
	char path[100];

	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(runaway_write_file_atomic("d/f", "x", 1, 0644), 0);
	assert_file("d/f", "x");
	snprintf(path, sizeof(path), "%s/d/abs", s->path);
	assert_int_equal(runaway_write_file_atomic(path, "y", 1, 0644), 0);
	assert_file("d/abs", "y");
	assert_int_equal(count_entries("d"), 2);
}

static void mode_is_the_given_one(_unused_ void **state)
{
	mode_t old = umask(077);
	struct stat st;

	assert_int_equal(runaway_write_file_atomic("f", "x", 1, 0644), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(runaway_write_file_atomic("f", "x", 1, 0600), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	umask(old);
}

static void a_link_is_replaced_not_followed(_unused_ void **state)
{
	struct stat st;

	put_file("target", "precious");
	assert_int_equal(symlink("target", "link"), 0);
	assert_int_equal(runaway_write_file_atomic("link", "new", 3, 0644), 0);
	assert_file("target", "precious");
	assert_file("link", "new");
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static const char *temporary_name(const char *name, char buf[static 64])
{
	snprintf(buf, 64, ".%s.tmp.%d", name, (int)getpid());
	return buf;
}

/* A killed daemon of the same pid (always 1 in a container) left its file behind. */
static void a_left_over_temporary_file_is_no_obstacle(_unused_ void **state)
{
	char temporary[64];

	put_file(temporary_name("f", temporary), "half of something");
	assert_int_equal(runaway_write_file_atomic("f", "whole", 5, 0644), 0);
	assert_file("f", "whole");
	assert_int_equal(count_entries("."), 1);
}

static void a_planted_link_is_not_written_through(_unused_ void **state)
{
	char temporary[64];

	put_file("victim", "precious");
	assert_int_equal(symlink("victim", temporary_name("f", temporary)), 0);
	assert_int_equal(runaway_write_file_atomic("f", "evil", 4, 0644), 0);
	assert_file("victim", "precious");
	assert_file("f", "evil");
	/* A folder in that place is an error, and stays. */
	assert_int_equal(mkdir(temporary, 0700), 0);
	assert_int_equal(runaway_write_file_atomic("f", "more", 4, 0644), -EISDIR);
	assert_file("f", "evil");
}

static void write_failures_leave_nothing_behind(_unused_ void **state)
{
	char longest[NAME_MAX + 1];

	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(runaway_write_file_atomic("d", "x", 1, 0644), -EISDIR);
	assert_int_equal(runaway_write_file_atomic("missing/f", "x", 1, 0644), -ENOENT);
	assert_int_equal(runaway_write_file_atomic("", "x", 1, 0644), -EINVAL);
	assert_int_equal(runaway_write_file_atomic("d/", "x", 1, 0644), -EINVAL);
	assert_int_equal(runaway_write_file_atomic("d/.", "x", 1, 0644), -EINVAL);
	assert_int_equal(runaway_write_file_atomic("d/..", "x", 1, 0644), -EINVAL);
	put_file("f", "x");
	assert_int_equal(runaway_write_file_atomic("f/g", "x", 1, 0644), -ENOTDIR);
	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = '\0';
	assert_int_equal(runaway_write_file_atomic(longest, "x", 1, 0644), -ENAMETOOLONG);
	assert_int_equal(count_entries("."), 2);
	assert_int_equal(count_entries("d"), 0);
}

static void makes_folders(_unused_ void **state)
{
	struct stat st;

	assert_int_equal(runaway_mkdir_p("a/b//c/", 0700), 0);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(runaway_mkdir_p("a/b/c", 0700), 0);
	assert_int_equal(runaway_mkdir_p("./a/../a/d", 0700), 0);
	assert_int_equal(stat("a/d", &st), 0);
	assert_int_equal(runaway_mkdir_p("/", 0700), 0);
	assert_int_equal(runaway_mkdir_p("/tmp", 0700), 0);
	assert_int_equal(symlink("a", "link"), 0);
	assert_int_equal(runaway_mkdir_p("link/e", 0700), 0);
	assert_int_equal(stat("a/e", &st), 0);
}

static void mkdir_failures(_unused_ void **state)
{
	put_file("f", "");
	assert_int_equal(runaway_mkdir_p("f", 0700), -ENOTDIR);
	assert_int_equal(runaway_mkdir_p("f/g/h", 0700), -ENOTDIR);
	assert_int_equal(runaway_mkdir_p("", 0700), -ENOENT);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(runaway_mkdir_p("dangling/x", 0700), -ENOTDIR);
	assert_file("f", "");
}

static void fsync_of_parents(void **state)
{
	struct sandbox *s = *state;
	char path[100];

	assert_int_equal(runaway_fsync_parent("not-there-yet"), 0);
	snprintf(path, sizeof(path), "%s/x", s->path);
	assert_int_equal(runaway_fsync_parent(path), 0);
	assert_int_equal(runaway_fsync_parent("missing/x"), -ENOENT);
}

static void write_all_reports_the_error(_unused_ void **state)
{
	_cleanup_close_ int full = must_open("/dev/full", O_WRONLY);
	_cleanup_close_ int fd = must_open("out", O_WRONLY | O_CREAT);
	_cleanup_free_ char *big = calloc(1, 1 << 20);

	assert_int_equal(runaway_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(runaway_write_all(-1, "x", 1), -EBADF);
	assert_int_equal(runaway_write_all(-1, NULL, 0), 0);
	assert_int_equal(runaway_write_all(fd, big, 1 << 20), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1 << 20);
}

static void check_join(const char *a, const char *b, const char *want)
{
	_cleanup_free_ char *s = runaway_path_join(a, b);

	assert_string_equal(s, want);
}

static void joins_paths(_unused_ void **state)
{
	check_join("a", "b", "a/b");
	check_join("a/", "b", "a/b");
	check_join("a", "/b", "a/b");
	check_join("a/", "/b", "a/b");
	check_join("/", "b", "/b");
	check_join("/", "/b", "/b");
	check_join("", "b", "b");
	check_join("", "/b", "/b");
	check_join("a", "b/c", "a/b/c");
}

#define in_sandbox(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_sandbox(reads_whole_files),
		in_sandbox(reads_relative_to_a_folder),
		in_sandbox(reads_files_of_proc),
		in_sandbox(limit_counts_bytes_exactly),
		in_sandbox(read_failures),
		in_sandbox(a_fifo_does_not_hang_the_reader),
		in_sandbox(replaces_the_whole_file),
		in_sandbox(writes_in_other_folders),
		in_sandbox(mode_is_the_given_one),
		in_sandbox(a_link_is_replaced_not_followed),
		in_sandbox(a_left_over_temporary_file_is_no_obstacle),
		in_sandbox(a_planted_link_is_not_written_through),
		in_sandbox(write_failures_leave_nothing_behind),
		in_sandbox(makes_folders),
		in_sandbox(mkdir_failures),
		in_sandbox(fsync_of_parents),
		in_sandbox(write_all_reports_the_error),
		cmocka_unit_test(joins_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First process of a guest: mounts what programs expect, starts the driver with
 * its output on the serial line that $RESULTS names (from the kernel's command
 * line), reaps whoever is left behind, and turns the machine off when the driver
 * has ended. Static: it is all that is needed before the driver.
 *
 * Where $MANAGER names a program, that one becomes the first process instead, and
 * the driver is one of its services.
 */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* cgroups are not here: the driver lays them out, in more than one way. */
static const struct {
	const char *dir, *type;
	const char *options;
} mounts[] = {
	{ "/proc", "proc", NULL },
	{ "/sys", "sysfs", NULL },
	{ "/dev", "devtmpfs", NULL },
	{ "/dev/pts", "devpts", "ptmxmode=666" },
	{ "/dev/shm", "tmpfs", "mode=1777" },
	{ "/tmp", "tmpfs", "mode=1777" },
	{ "/run", "tmpfs", "mode=755" },
	{ "/sys/fs/bpf", "bpf", "mode=700" },
	{ "/sys/kernel/security", "securityfs", NULL },
	{ "/sys/kernel/tracing", "tracefs", NULL },
};

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].dir, 0755);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, mounts[i].options) < 0)
			fprintf(stderr, "init: %s on %s: %s\n", mounts[i].type, mounts[i].dir,
				strerror(errno));
	}
}

/* Tests speak HTTP to the daemon. */
static void loopback_up(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		fprintf(stderr, "init: lo: %s\n", strerror(errno));
	close(fd);
}

static int results(void)
{
	const char *line = getenv("RESULTS");
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", line ? line : "console");
	fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0)
		fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
	return fd;
}

static void driver(char **argv)
{
	struct termios raw;
	int fd;

	setsid();
	fd = results();
	if (fd < 0)
		_exit(1);
	if (tcgetattr(fd, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	execv(argv[0], argv);
	fprintf(stderr, "init: %s: %s\n", argv[0], strerror(errno));
	_exit(1);
}

/*
 * On a mount of its own: the root that the kernel has unpacked its archive into cannot be
 * pivoted away from, which a service manager does for each service with a file system of its own.
 */
static int hand_over(const char *path)
{
	/* The host wants a sign of life, and a service manager takes its time. */
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) == 0)
		dprintf(results(), "# %s\n", path);
	mkdir("/sysroot", 0755);
	if (mount("/", "/sysroot", NULL, MS_BIND, NULL) < 0 || chdir("/sysroot") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		fprintf(stderr, "init: /sysroot: %s\n", strerror(errno));
	else
		execl(path, path, NULL);
	fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
	return 1; /* the kernel panics, and the machine ends */
}

int main(void)
{
	const char *manager = getenv("MANAGER");
	static char *argv[] = { "/usr/bin/python3", "/runawayd/tests/vm/guest.py", NULL };
	pid_t pid, gone;

	if (manager)
		return hand_over(manager);
	mount_all();
	loopback_up();
	pid = fork();
	if (pid == 0)
		driver(argv);
	do
		gone = wait(NULL);
	while (gone != pid && (gone > 0 || errno == EINTR));
	/* What was written to the line has to leave it. */
	sleep(1);
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	return 1;
}

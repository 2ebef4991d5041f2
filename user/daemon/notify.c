// SPDX-License-Identifier: GPL-2.0-or-later

#include "daemon/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define PATIENCE_S 2

/*
 * A manager that stands still reads nothing, and its queue is short: the daemon does not
 * stand still with it. READY alone is waited for, a little: without it a busy manager would
 * take the start for one that failed.
 */
static int how_to_send(int fd, const char *text)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	if (strncmp(text, "READY=1", strlen("READY=1")) != 0)
		return MSG_NOSIGNAL | MSG_DONTWAIT;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return MSG_NOSIGNAL | MSG_DONTWAIT;
	return MSG_NOSIGNAL;
}

void notify_send(const char *fmt, ...)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = -1;
	char text[512];
	va_list args;
	size_t len;

	if (!path || (*path != '/' && *path != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Best effort by protocol: a manager that does not listen loses a status line. */
	(void)!sendto(fd, text, strlen(text), how_to_send(fd, text), (struct sockaddr *)&addr,
		      offsetof(struct sockaddr_un, sun_path) + len);
}

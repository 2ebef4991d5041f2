/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_NOTIFY_H
#define RUNAWAY_DAEMON_NOTIFY_H

/*
 * The notification protocol of systemd (sd_notify(3)): a datagram to
 * $NOTIFY_SOCKET. Written out here because libsystemd would bring three
 * compression libraries into a daemon that starts as root.
 */

#include "base/macros.h"

/* "READY=1\nSTATUS=…". Without a service manager nothing is sent. */
void notify_send(const char *fmt, ...) _printf_(1, 2);

#endif

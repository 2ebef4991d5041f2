/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_PRIVILEGES_H
#define RUNAWAY_DAEMON_PRIVILEGES_H

/*
 * The daemon needs privilege to load and attach, and for the first look at
 * /proc. After that held file descriptors are enough: it keeps no capability
 * and is not root.
 */

#include <stdint.h>
#include <sys/types.h>

struct run_user {
	uid_t uid;
	gid_t gid;
};

/*
 * name, or (NULL) runawayd if there is such a user, else nobody. Who is not root
 * stays who he is. 0, -ENOENT when a named user does not exist.
 */
int privileges_user(const char *name, struct run_user *ret);

/*
 * Makes the folder if need be and gives it, with the files in it, to the user: symbolic links are
 * not followed. No effect when not root. 0 or a negative errno.
 */
int privileges_own_folder(const char *path, mode_t mode, const struct run_user *user);

/*
 * From now on files are opened and made as the user's, NULL: as one's own again. In a folder that
 * was given away root itself needs CAP_DAC_OVERRIDE, which the unit does not leave it.
 */
void privileges_files_as(const struct run_user *user);

/*
 * Lets the user make files in a folder that stays its owner's, by an entry in
 * its access control list. 0 also when the user can already; -EOPNOTSUPP, -EPERM, …
 */
int privileges_allow_writing(const char *folder, const struct run_user *user);

/* Drops everything, for good. 0 or a negative errno: then the caller must end. */
int privileges_drop(const struct run_user *user);

/* CapEff of this process; all ones when it cannot be read. */
uint64_t privileges_effective(void);

#endif

// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/* The path of an executable, read where no path helper may be called. */

#include "rw.h"

#define RW_PATH_STEPS 32  /* components; and again as many with the mount crossings */
#define RW_COMPONENT  128 /* bytes of one component; NAME_MAX is 255, longer ones are cut */

/* One component more. False: there is no room. */
static __always_inline bool add(struct rw_path *p, char *data, const unsigned char *name)
{
	__u32 off = p->len;
	long n;

	if (off > RW_PATH_MAX - RW_COMPONENT)
		return false;
	n = bpf_probe_read_kernel_str(data + off, RW_COMPONENT, name);
	if (n <= 0)
		return false;
	p->len = off + n;
	return true;
}

/*
 * From the root of a mount on. A mount is found from the part of it that others
 * see: a step back that typed pointers do not allow, so all is read by helper here.
 */
static __always_inline void add_mounts(struct rw_path *p, char *data, struct mount *mnt)
{
	struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
	struct dentry *dentry, *parent;

	if (up == mnt) {
		p->cut = 0;
		return;
	}
	dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
	mnt = up;
	for (int i = 0; i < RW_PATH_STEPS; i++) {
		parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == BPF_CORE_READ(mnt, mnt.mnt_root) || dentry == parent) {
			up = BPF_CORE_READ(mnt, mnt_parent);
			if (up == mnt) {
				p->cut = 0;
				return;
			}
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			continue;
		}
		if (!add(p, data, BPF_CORE_READ(dentry, d_name.name)))
			return;
		dentry = parent;
	}
}

__hidden void rw_file_path(struct file *file, struct rw_path *p, char *data)
{
	struct vfsmount *vfs = BPF_CORE_READ(file, f_path.mnt);
	struct dentry *root = file->f_path.mnt->mnt_root;
	struct dentry *dentry = file->f_path.dentry, *parent;

	p->len = 0;
	p->cut = 1;
	/* Most executables are on the mount of the root: read directly, no helper but for the name.
	 */
	for (int i = 0; i < RW_PATH_STEPS; i++) {
		if (dentry == root) {
			add_mounts(p, data, container_of(vfs, struct mount, mnt));
			return;
		}
		parent = dentry->d_parent;
		/* In no folder, as with memfd_create(): this is all there is. */
		if (dentry == parent) {
			p->cut = 0;
			return;
		}
		if (!add(p, data, dentry->d_name.name))
			return;
		dentry = parent;
	}
}

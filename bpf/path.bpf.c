// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/* The path of an executable, read where no path helper may be called. */

#include "rw.h"

#define RW_PATH_STEPS 32  /* components and mount crossings */
#define RW_COMPONENT  128 /* bytes of one component; NAME_MAX is 255, longer ones are cut */

__hidden void rw_file_path(struct file *file, struct rw_path *p)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry), *root, *parent;
	struct vfsmount *vfs = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mnt = container_of(vfs, struct mount, mnt), *up;
	__u32 off;
	long n;

	p->len = 0;
	p->cut = 1;
	for (int i = 0; i < RW_PATH_STEPS; i++) {
		root = BPF_CORE_READ(mnt, mnt.mnt_root);
		parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == root || dentry == parent) {
			up = BPF_CORE_READ(mnt, mnt_parent);
			if (up == mnt || dentry != root) {
				p->cut = 0;
				return;
			}
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			continue;
		}
		off = p->len;
		if (off > RW_PATH_MAX - RW_COMPONENT)
			return;
		n = bpf_probe_read_kernel_str(p->data + off, RW_COMPONENT,
					      BPF_CORE_READ(dentry, d_name.name));
		if (n <= 0)
			return;
		p->len = off + n;
		dentry = parent;
	}
}

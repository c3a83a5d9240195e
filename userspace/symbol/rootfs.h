/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens regular files by paths that others chose: a recording, a copy of a device's file system. */
#ifndef ROOTFS_H
#define ROOTFS_H

/*
 * Opens path for reading as if root were "/": neither ".." nor symbolic links, absolute ones
 * included, lead out of it. NULL: this machine's own root. Nothing but a regular file is ever
 * opened, so that a FIFO cannot block and a device does not notice. A descriptor, or -errno:
 * -ENOEXEC when it is no regular file.
 */
int rootfs__open(const char *root, const char *path);

#endif /* ROOTFS_H */

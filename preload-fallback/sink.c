// SPDX-License-Identifier: BSD-2-Clause
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os.h"

#define HIGH_FD 900

int sink__move_away(int fd)
{
	int moved = os__fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

	/* Few descriptors are allowed: any number above the standard ones will do. */
	if (moved < 0)
		moved = os__fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return moved < 0 ? -EMFILE : moved;
}

struct sink_identity sink__identity(int fd)
{
	struct sink_identity identity = { 0, 0 };
	struct stat stat;

	if (!fstat(fd, &stat)) {
		identity.device = stat.st_dev;
		identity.inode = stat.st_ino;
	}
	return identity;
}

bool sink__is_still(int fd, const struct sink_identity *identity)
{
	struct sink_identity now = sink__identity(fd);

	return now.inode == identity->inode && now.device == identity->device;
}

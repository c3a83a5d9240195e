// SPDX-License-Identifier: BSD-2-Clause
#include "probe/exit_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/util.h"

/* include/uapi/linux/pidfd.h of Linux 6.15, in the size that all versions take. */
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define INFO_EXIT (1u << 3)
#define GET_INFO  _IOWR(0xff, 11, struct info)

/* Fields of proc(5)'s stat behind the name, of which exit_code is the last. */
#define EXIT_CODE_FIELD 50

_Static_assert(sizeof(struct info) == 64, "the kernel's first version of it");

/* Of a process that was not collected yet. */
static uint32_t from_proc(pid_t pid)
{
	char path[64], *text, *at;
	uint32_t status = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = file__read_all(path, 1 << 16, NULL);
	at = text ? strrchr(text, ')') : NULL;
	if (at && at[1] && at[2] == 'Z') {
		for (int i = 0; at && i < EXIT_CODE_FIELD; i++)
			at = strchr(at + 1, ' ');
		status = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
	}
	free(text);
	return status;
}

uint32_t exit_status__of(pid_t pid, int pidfd)
{
	struct info info = { .mask = INFO_EXIT };

	if (pidfd >= 0 && !ioctl(pidfd, GET_INFO, &info) && info.mask & INFO_EXIT)
		return (uint32_t)info.exit_code;
	return from_proc(pid);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "probe/link.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "probe/keeper.h"
#include "probe_abi.h"

/* Newer than the headers of the distributions we build on (include/uapi/linux/bpf.h, 6.6 and 6.13).
 */
#define ATTACH_UPROBE_MULTI   48
#define ATTACH_UPROBE_SESSION 57
#define ATTACH_PERF_EVENT     41
#define UPROBE_MULTI_RETURN   1u

/* The part of union bpf_attr that BPF_LINK_CREATE reads, written out for the same reason. */
struct link_create_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	union {
		struct {
			uint64_t path, offsets, ref_ctr_offsets, cookies;
			uint32_t cnt, flags, pid, pad;
		} uprobe_multi;
		struct {
			uint64_t cookie;
		} perf_event;
		uint64_t room[10];
	};
};

const char *link_kind__name(enum link_kind kind)
{
	static const char *const names[NR_LINK_KINDS] = { "session", "multi", "perf" };

	return names[kind];
}

int link_kind__attach_type(enum link_kind kind)
{
	static const int types[NR_LINK_KINDS] = { ATTACH_UPROBE_SESSION, ATTACH_UPROBE_MULTI, 0 };

	return types[kind];
}

static int create_link(const struct link_create_attr *attr)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

static void keep(struct links *links, int fd)
{
	links->handles =
		array__grow(links->handles, links->nr, &links->capacity, sizeof(*links->handles));
	links->handles[links->nr++] = keeper__give(fd);
}

static void close_from(struct links *links, size_t first)
{
	while (links->nr > first)
		keeper__close(links->handles[--links->nr]);
}

/* Where programs are attached. */
struct spot {
	const char *path;
	pid_t pid;
	uint64_t slot; /* in its place in the cookie */
	const struct probe_site *sites;
	size_t nr_sites;
};

/* What one program is attached to. */
struct side {
	int program;
	int attach_type; /* session and multi */
	bool at_return;	 /* only where it is to be watched */
};

/* One link for every site of a side. */
static int attach_multi(struct links *links, const struct side *side, const struct spot *spot)
{
	uint64_t *offsets = xcalloc(spot->nr_sites, sizeof(*offsets));
	uint64_t *cookies = xcalloc(spot->nr_sites, sizeof(*cookies));
	const struct probe_site *sites = spot->sites;
	struct link_create_attr attr = { 0 };
	uint32_t nr = 0;
	int fd = 0;

	for (size_t i = 0; i < spot->nr_sites; i++) {
		if (side->at_return && !PROBE_ROLE_RETURNS(sites[i].role))
			continue;
		offsets[nr] = sites[i].file_offset;
		cookies[nr++] = sites[i].cookie | spot->slot;
	}
	attr.prog_fd = (uint32_t)side->program;
	attr.attach_type = (uint32_t)side->attach_type;
	attr.uprobe_multi.path = (uintptr_t)spot->path;
	attr.uprobe_multi.offsets = (uintptr_t)offsets;
	attr.uprobe_multi.cookies = (uintptr_t)cookies;
	attr.uprobe_multi.cnt = nr;
	attr.uprobe_multi.flags = side->at_return ? UPROBE_MULTI_RETURN : 0;
	attr.uprobe_multi.pid = (uint32_t)spot->pid;
	if (nr)
		fd = create_link(&attr);
	if (nr && fd >= 0)
		keep(links, fd);
	free(offsets);
	free(cookies);
	return fd < 0 ? fd : 0;
}

/* A number in a file of the uprobe PMU, at most one prefix in front of it; -errno. */
static int pmu_number(const char *file, const char *format)
{
	char path[128];
	char *text;
	int number;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/uprobe/%s", file);
	text = file__read_all(path, 256, NULL);
	if (!text)
		return -EOPNOTSUPP;
	if (sscanf(text, format, &number) != 1 || number < 0)
		number = -EOPNOTSUPP;
	free(text);
	return number;
}

static int open_uprobe_event(const char *path, pid_t pid, uint64_t offset, bool at_return)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	int type = pmu_number("type", "%d");
	int return_bit = pmu_number("format/retprobe", "config:%d");
	long fd;

	if (type < 0 || return_bit < 0 || return_bit > 63)
		return -EOPNOTSUPP;
	attr.type = (uint32_t)type;
	attr.config = at_return ? 1ull << return_bit : 0;
	attr.uprobe_path = (uintptr_t)path;
	attr.probe_offset = offset;
	fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

/* A perf event for each site of a side, and a link that runs the program on it. */
static int attach_perf(struct links *links, const struct side *side, const struct spot *spot)
{
	const struct probe_site *sites = spot->sites;

	for (size_t i = 0; i < spot->nr_sites; i++) {
		struct link_create_attr attr = { 0 };
		int event, link, err = 0;

		if (side->at_return && !PROBE_ROLE_RETURNS(sites[i].role))
			continue;
		event = open_uprobe_event(spot->path, spot->pid, sites[i].file_offset,
					  side->at_return);
		if (event < 0)
			return event;
		attr.prog_fd = (uint32_t)side->program;
		attr.target_fd = (uint32_t)event;
		attr.attach_type = ATTACH_PERF_EVENT;
		attr.perf_event.cookie = sites[i].cookie | spot->slot;
		link = create_link(&attr);
		if (link >= 0 && ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
			err = -errno;
		/* Both are given away only now that they are not needed any more. */
		if (link >= 0)
			keep(links, link);
		keep(links, event);
		if (link < 0 || err)
			return link < 0 ? link : err;
	}
	return 0;
}

int links__attach(struct links *links, enum link_kind kind, const struct link_programs *programs,
		  const char *path, pid_t pid, uint32_t slot, const struct probe_site *sites,
		  size_t nr_sites)
{
	const struct spot spot = { path, pid, (uint64_t)slot << PROBE_SLOT_SHIFT, sites, nr_sites };
	const struct side session[] = {
		{ programs->session, ATTACH_UPROBE_SESSION, false },
	};
	const struct side apart[] = {
		{ programs->leave, ATTACH_UPROBE_MULTI, true },
		{ programs->enter, ATTACH_UPROBE_MULTI, false },
	};
	const struct side *sides = kind == LINK_SESSION ? session : apart;
	size_t nr_sides = kind == LINK_SESSION ? ARRAY_SIZE(session) : ARRAY_SIZE(apart);
	size_t before = links->nr;
	int err = 0;

	for (size_t i = 0; !err && i < nr_sides; i++)
		err = (kind == LINK_PERF ? attach_perf : attach_multi)(links, &sides[i], &spot);
	if (err)
		close_from(links, before);
	return err;
}

void links__detach(struct links *links)
{
	close_from(links, 0);
	free(links->handles);
	*links = (struct links){ 0 };
}

// SPDX-License-Identifier: BSD-2-Clause
#include "fail/crash.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/elf.h"
#include "unwind/finish.h"

#define MAX_MAPS_BYTES (16u << 20)
#define MAX_MAPPINGS   2048
#define MAX_STACK      (1u << 20)
#define MAX_BUILD_ID   64
#define MAX_PATH_SHOWN 4096

/* An executable mapping of a file. */
struct mapping {
	uint64_t start, end, vaddr; /* vaddr: the link-time address of start */
	char *path;
	char build_id[2 * MAX_BUILD_ID + 1];
	int fd;
};

struct space {
	pid_t tid;
	struct mapping *mappings;
	size_t nr, capacity;
	uint64_t stack_end; /* of the mapping that has the stack pointer; 0: none */
};

#ifdef __x86_64__

static bool read_registers(pid_t tid, uint64_t regs[FINISH_NR_REGS])
{
	struct user_regs_struct user;
	struct iovec place = { &user, sizeof(user) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &place))
		return false;
	memcpy(regs,
	       (uint64_t[FINISH_NR_REGS]){ user.rax, user.rdx, user.rcx, user.rbx, user.rsi,
					   user.rdi, user.rbp, user.rsp, user.r8, user.r9, user.r10,
					   user.r11, user.r12, user.r13, user.r14, user.r15,
					   user.rip },
	       FINISH_NR_REGS * sizeof(*regs));
	return true;
}

#else

static bool read_registers(pid_t tid, uint64_t regs[FINISH_NR_REGS])
{
	return false;
}

#endif

enum { SP = 7, PC = 16 };

static void set_build_id(struct mapping *mapping, struct elf_file *elf)
{
	uint8_t bytes[MAX_BUILD_ID];
	size_t len = elf__build_id(elf, bytes, sizeof(bytes));

	for (size_t i = 0; i < len; i++)
		snprintf(mapping->build_id + 2 * i, 3, "%02x", bytes[i]);
}

/* The very file, where the kernel lets us have it, else what has its name. */
static int open_file(const struct space *space, const struct mapping *mapping)
{
	char path[MAX_PATH_SHOWN + 64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, space->tid,
		 mapping->start, mapping->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/%d/root%s", space->tid, mapping->path);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void add_mapping(struct space *space, uint64_t start, uint64_t end, uint64_t offset,
			const char *path)
{
	struct mapping mapping = { .start = start, .end = end, .vaddr = start };
	struct elf_file *elf;

	if (space->nr == MAX_MAPPINGS)
		return;
	mapping.path = xstrdup(path);
	mapping.fd = open_file(space, &mapping);
	elf = mapping.fd >= 0 ? elf__open(mapping.fd) : NULL;
	if (elf && !elf__offset_to_vaddr(elf, offset, &mapping.vaddr))
		set_build_id(&mapping, elf);
	elf__close(elf);
	space->mappings =
		array__grow(space->mappings, space->nr, &space->capacity, sizeof(*space->mappings));
	space->mappings[space->nr++] = mapping;
}

static void take_line(struct space *space, const char *line, uint64_t sp)
{
	uint64_t start, end, offset;
	char perms[5];
	int path_at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &start, &end, perms,
		   &offset, &path_at) < 4)
		return;
	if (sp >= start && sp < end)
		space->stack_end = end;
	if (perms[2] == 'x' && path_at && line[path_at] == '/' &&
	    strlen(line + path_at) < MAX_PATH_SHOWN)
		add_mapping(space, start, end, offset, line + path_at);
}

static void read_space(struct space *space, uint64_t sp)
{
	char path[64], *text, *rest, *line;

	snprintf(path, sizeof(path), "/proc/%d/maps", space->tid);
	rest = text = file__read_all(path, MAX_MAPS_BYTES, NULL);
	while (rest && (line = strsep(&rest, "\n")))
		take_line(space, line, sp);
	free(text);
}

static void clear_space(struct space *space)
{
	for (size_t i = 0; i < space->nr; i++) {
		free(space->mappings[i].path);
		if (space->mappings[i].fd >= 0)
			close(space->mappings[i].fd);
	}
	free(space->mappings);
}

static const struct mapping *find(const struct space *space, uint64_t address)
{
	for (size_t i = 0; i < space->nr; i++)
		if (address >= space->mappings[i].start && address < space->mappings[i].end)
			return &space->mappings[i];
	return NULL;
}

/* Up to MAX_STACK bytes from sp; the caller frees them. */
static void *read_stack(const struct space *space, uint64_t sp, size_t *len)
{
	size_t size = space->stack_end ? min(space->stack_end - sp, (uint64_t)MAX_STACK) : 0;
	void *stack = xmalloc(size + 1);
	struct iovec here = { stack, size };
	struct iovec there = { (void *)(uintptr_t)sp, size };
	ssize_t got = size ? process_vm_readv(space->tid, &here, 1, &there, 1, 0) : 0;

	*len = got > 0 ? (size_t)got : 0;
	return stack;
}

/* The address is one that is returned to, or that of an instruction's second byte. */
static void add_frame(struct fail_stack *stack, const struct space *space, uint64_t address)
{
	const struct mapping *mapping = find(space, address - 1);

	if (mapping)
		fail_stack__add(stack, mapping->path, *mapping->build_id ? mapping->build_id : NULL,
				address - mapping->start + mapping->vaddr);
	else
		fail_stack__add(stack, NULL, NULL, address);
}

static void walk(struct fail_stack *stack, const struct space *space, uint64_t regs[FINISH_NR_REGS])
{
	uint64_t frames[FAIL_MAX_FRAMES], sp = regs[SP];
	struct finish *finish = finish__new();
	bool is_return = false, complete;
	size_t len, nr;
	char *bytes = read_stack(space, sp, &len);

	for (size_t i = 0; i < space->nr; i++)
		if (space->mappings[i].fd >= 0)
			finish__map(finish, space->mappings[i].start, space->mappings[i].end,
				    space->mappings[i].vaddr, space->mappings[i].fd,
				    space->mappings[i].path);
	if (!find(space, regs[PC]) && len >= sizeof(uint64_t)) {
		uint64_t caller;

		memcpy(&caller, bytes, sizeof(caller));
		if (find(space, caller - 1)) {
			add_frame(stack, space, regs[PC]);
			regs[PC] = caller;
			regs[SP] += sizeof(caller);
			is_return = true;
		}
	}
	nr = finish__walk(finish, regs, is_return, bytes, sp, len, frames, FAIL_MAX_FRAMES,
			  &complete);
	for (size_t i = 0; i < nr; i++)
		add_frame(stack, space, frames[i]);
	finish__free(finish);
	free(bytes);
}

struct fail_stack fail_crash__stack(pid_t tid)
{
	struct space space = { .tid = tid };
	uint64_t regs[FINISH_NR_REGS];
	struct fail_stack stack = { 0 };

	if (!read_registers(tid, regs))
		return stack;
	read_space(&space, regs[SP]);
	walk(&stack, &space, regs);
	clear_space(&space);
	return stack;
}

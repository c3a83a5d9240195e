// SPDX-License-Identifier: BSD-2-Clause
/*
 * libdwfl steps; here is decided whether it may. Where it finds no call frame information it
 * guesses by frame pointers (elfutils, backends/x86_64_unwind.c), and a return address it cannot
 * read is to it the end of the stack (libdwfl/frame_unwind.c, handle_cfi): both would pass for the
 * truth.
 */
#include "unwind/finish_walk.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/elf.h"

/* The one thread of the one process libdwfl is told of. */
#define THREAD 1

/* Where a frame's return address is: nowhere, as it is the outermost; at a fixed distance from the
 * CFA; or elsewhere, in a register or where an expression says. */
enum caller { CALLER_UNKNOWN, CALLER_NONE, CALLER_SAVED, CALLER_ELSEWHERE };

struct known {
	struct finish_mapping mapping;
	dev_t device;
	ino_t inode;
	Dwfl_Module *module; /* NULL: nothing that can be read */
};

struct finish_walk {
	finish_find *find;
	void *data;
	Dwfl *dwfl;
	struct known *known;
	size_t nr_known, known_capacity;
	uint64_t nr_modules; /* reported so far: names must differ */
	bool attached;
	/* Of the walk that is going on: */
	struct finish_area *area;
	bool is_first;	     /* libdwfl is about to show the frame it was given */
	bool at_instruction; /* the next pc is where a signal came, not a return address */
	bool is_ambiguous;   /* libdwfl thinks another module is there */
	enum caller caller;
	bool has_read;	    /* the last read of memory in this step gave */
	uint64_t last_read; /* this */
};

static int no_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **found)
{
	return -1;
}

static const Dwfl_Callbacks module_callbacks = {
	.find_debuginfo = no_debuginfo,
	.section_address = dwfl_offline_section_address,
};

struct finish_walk *finish_walk__new(finish_find *find, void *data)
{
	struct finish_walk *walk = xcalloc(1, sizeof(*walk));

	walk->find = find;
	walk->data = data;
	return walk;
}

void finish_walk__forget(struct finish_walk *walk)
{
	if (walk->dwfl)
		dwfl_end(walk->dwfl);
	walk->dwfl = NULL;
	walk->attached = false;
	walk->nr_known = 0;
}

void finish_walk__free(struct finish_walk *walk)
{
	if (!walk)
		return;
	finish_walk__forget(walk);
	free(walk->known);
	free(walk);
}

static pid_t next_thread(Dwfl *dwfl, void *walk, void **thread_walk)
{
	if (*thread_walk)
		return 0;
	*thread_walk = walk;
	return THREAD;
}

/* Only the stack is known. */
static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *value, void *data)
{
	struct finish_walk *walk = data;
	const struct finish_request *request = &walk->area->request;
	uint64_t offset = address - request->stack_address;

	walk->has_read =
		offset < request->stack_len && request->stack_len - offset >= sizeof(*value);
	if (!walk->has_read)
		return false;
	memcpy(value, walk->area->stack + offset, sizeof(*value));
	walk->last_read = *value;
	return true;
}

/* Rules are looked up for the call before a return address; libdwfl takes the first pc as it is. */
static uint64_t first_lookup(const struct finish_request *request)
{
	return request->regs[FINISH_PC] - request->is_return;
}

static bool set_registers(Dwfl_Thread *thread, void *data)
{
	const struct finish_walk *walk = data;
	const struct finish_request *request = &walk->area->request;
	Dwarf_Word regs[FINISH_NR_REGS];

	for (size_t i = 0; i < FINISH_NR_REGS; i++)
		regs[i] = request->regs[i];
	regs[FINISH_PC] = first_lookup(request);
	dwfl_thread_state_register_pc(thread, regs[FINISH_PC]);
	return dwfl_thread_state_registers(thread, 0, FINISH_NR_REGS, regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

/* Other files have no business here: libdw would decompress some, and take images apart. */
static bool is_readable(int fd)
{
	struct elf_file *elf = elf__open(fd);
	bool is_ours = elf && elf__machine(elf) == EM_X86_64 && elf__is_64bit(elf);

	elf__close(elf);
	return is_ours;
}

/* Takes fd over. */
static Dwfl_Module *report(struct finish_walk *walk, int fd, uint64_t bias)
{
	Dwfl_Module *module = NULL;
	GElf_Addr actual;
	char name[32];

	if (!walk->dwfl)
		walk->dwfl = dwfl_begin(&module_callbacks);
	if (walk->dwfl && is_readable(fd)) {
		snprintf(name, sizeof(name), "%" PRIu64, walk->nr_modules++);
		dwfl_report_begin_add(walk->dwfl);
		module = dwfl_report_elf(walk->dwfl, name, name, fd, bias, true);
		dwfl_report_end(walk->dwfl, NULL, NULL);
	}
	if (!module) {
		close(fd);
		return NULL;
	}
	/* It takes programs that are not relocatable to be where they are linked to. */
	if (!dwfl_module_getelf(module, &actual) || actual != bias)
		return NULL;
	if (!walk->attached)
		walk->attached =
			dwfl_attach_state(walk->dwfl, NULL, THREAD, &thread_callbacks, walk);
	return walk->attached ? module : NULL;
}

static uint64_t bias_of(const struct finish_mapping *mapping)
{
	return mapping->start - mapping->vaddr;
}

/* Another mapping of the same file at the same place is the same module. */
static const struct known *find_twin(const struct finish_walk *walk, const struct known *known)
{
	for (size_t i = 0; i < walk->nr_known; i++) {
		const struct known *other = &walk->known[i];

		if (other->device == known->device && other->inode == known->inode &&
		    bias_of(&other->mapping) == bias_of(&known->mapping))
			return other;
	}
	return NULL;
}

static Dwfl_Module *add_module(struct finish_walk *walk, uint64_t address)
{
	struct known known = { 0 };
	const struct known *twin;
	struct stat status;
	int fd = walk->find(walk->data, address, &known.mapping);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status)) {
		close(fd);
		return NULL;
	}
	known.device = status.st_dev;
	known.inode = status.st_ino;
	twin = find_twin(walk, &known);
	if (twin) {
		close(fd);
		known.module = twin->module;
	} else {
		known.module = report(walk, fd, bias_of(&known.mapping));
	}
	walk->known =
		array__grow(walk->known, walk->nr_known, &walk->known_capacity, sizeof(known));
	walk->known[walk->nr_known++] = known;
	return known.module;
}

static Dwfl_Module *find_module(struct finish_walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->nr_known; i++) {
		const struct known *known = &walk->known[i];

		if (address - known->mapping.start < known->mapping.end - known->mapping.start)
			return known->module;
	}
	return add_module(walk, address);
}

/* Of the sections in the order libdwfl takes them. To be freed. */
static Dwarf_Frame *find_rules(Dwfl_Module *module, uint64_t address)
{
	Dwarf_Frame *frame;
	Dwarf_Addr bias;
	Dwarf_CFI *cfi;

	cfi = dwfl_module_eh_cfi(module, &bias);
	if (cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame))
		return frame;
	cfi = dwfl_module_dwarf_cfi(module, &bias);
	if (cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame))
		return frame;
	return NULL;
}

static enum caller find_caller(Dwarf_Frame *frame, bool *is_signal)
{
	Dwarf_Op memory[3], *ops;
	int return_register;
	size_t nr;

	return_register = dwarf_frame_info(frame, NULL, NULL, is_signal);
	if (return_register < 0 || dwarf_frame_register(frame, return_register, memory, &ops, &nr))
		return CALLER_UNKNOWN;
	/* libdw tells "undefined" from "same value" so. */
	if (!nr)
		return ops == memory ? CALLER_NONE : CALLER_UNKNOWN;
	return ops->atom == DW_OP_call_frame_cfa ? CALLER_SAVED : CALLER_ELSEWHERE;
}

/* May libdwfl step from the frame whose rules are those for address? */
static bool may_step(struct finish_walk *walk, uint64_t address)
{
	Dwfl_Module *module = find_module(walk, address);
	Dwarf_Frame *frame;

	if (!module)
		return false;
	walk->is_ambiguous = dwfl_addrmodule(walk->dwfl, address) != module;
	if (walk->is_ambiguous)
		return false;
	frame = find_rules(module, address);
	if (!frame)
		return false;
	walk->caller = find_caller(frame, &walk->at_instruction);
	free(frame);
	walk->area->complete = walk->caller == CALLER_NONE;
	return walk->caller == CALLER_SAVED || walk->caller == CALLER_ELSEWHERE;
}

static void add_frame(struct finish_area *area, uint64_t pc)
{
	area->frames[area->nr_frames] = pc;
	/* What comes next may kill us: finish.c must have seen it. */
	__atomic_store_n(&area->nr_frames, area->nr_frames + 1, __ATOMIC_RELEASE);
}

static int visit_frame(Dwfl_Frame *frame, void *data)
{
	struct finish_walk *walk = data;
	struct finish_area *area = walk->area;
	bool at_instruction = walk->at_instruction;
	Dwarf_Addr pc;

	walk->has_read = false;
	if (walk->is_first) {
		walk->is_first = false;
		return DWARF_CB_OK;
	}
	if (area->nr_frames >= area->request.max_frames || !dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	add_frame(area, pc + at_instruction);
	return may_step(walk, pc - !at_instruction) ? DWARF_CB_OK : DWARF_CB_ABORT;
}

static void run_once(struct finish_walk *walk)
{
	struct finish_area *area = walk->area;

	area->nr_frames = 0;
	area->complete = false;
	walk->is_ambiguous = false;
	walk->is_first = true;
	add_frame(area, first_lookup(&area->request) + 1);
	/* The first module is what libdwfl learns the architecture from. */
	if (!may_step(walk, first_lookup(&area->request)))
		return;
	/* A return address of 0 is an end too, one that could not be read is not. */
	if (!dwfl_getthread_frames(walk->dwfl, THREAD, visit_frame, walk))
		area->complete = walk->caller == CALLER_SAVED && walk->has_read && !walk->last_read;
}

void finish_walk__run(struct finish_walk *walk, struct finish_area *area)
{
	walk->area = area;
	run_once(walk);
	if (!walk->is_ambiguous)
		return;
	/* A module that has gone reached further than its code, to where another is now. */
	finish_walk__forget(walk);
	run_once(walk);
}

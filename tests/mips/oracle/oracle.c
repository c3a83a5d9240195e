// SPDX-License-Identifier: BSD-2-Clause
/*
 * A plugin for QEMU that judges stacks: it keeps a shadow stack of the calls of every thread, needs
 * neither unwind tables nor symbols, and compares when a library under test hands its frames over
 * (../handover.h).
 *	qemu-mipsel -plugin oracle.so,out=FILE[,limit=N][,r6=on] ...
 */
#include "../handover.h"
#include "contexts.h"
#include "guest.h"
#include "judge.h"
#include "plugin_api.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS	 4096
#define MAX_HANDLERS	 256
#define NR_BLOCKS_PROVED 1000

int qemu_plugin_version = 1;

/* A translated block: QEMU calls begin_block with it whenever it is entered. Never freed. */
struct block {
	struct block *older;
	uint64_t pc, ret;
	unsigned nr_insns;
	uint8_t branch;	 /* enum guest_branch, at its end */
	bool slot_later; /* the delay slot of that branch is a block of its own */
	bool handler;	 /* a signal handler begins here */
	bool entered;	 /* at least once */
};

struct thread {
	struct contexts contexts;
	const struct block *left; /* the block before, if it ended with one of its branches */
	uint64_t left_sp;	  /* the stack pointer where that block began */
	bool slot_next;
	uint64_t nr_insns, walk_began;
};

static struct thread *threads[MAX_THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks;
static uint64_t handlers[MAX_HANDLERS];
static unsigned nr_handlers;
static unsigned long nr_proved;

static void die(const char *why)
{
	fprintf(stderr, "oracle: %s\n", why);
	abort();
}

/* Completes the branch that the block before ended with: it led to pc, with the stack at sp. */
static void arrive(struct thread *thread, uint64_t pc, uint64_t sp)
{
	const struct block *left = thread->left;
	struct shadow *shadow = &thread->contexts.current;

	thread->left = NULL;
	if (left->branch == GUEST_CALL) {
		if (pc != left->ret) /* else a branch not taken, or a way to learn the pc */
			shadow__call(shadow, left->ret, sp);
		return;
	}
	contexts__follow(&thread->contexts, thread->left_sp, sp);
	if (left->branch == GUEST_RETURN)
		shadow__return(shadow, pc, sp);
	else
		shadow__jump(shadow, sp);
}

static void enter_handler(struct thread *thread, const void *env)
{
	uint64_t ra = guest__register(env, GUEST_RA), sp = guest__register(env, GUEST_SP);
	struct guest_context at;

	if (!guest__is_trampoline(ra)) /* called by the program */
		return;
	at = guest__interrupted(ra, guest__register(env, GUEST_A2));
	if (thread->left)
		arrive(thread, at.pc, at.sp);
	shadow__signal(&thread->contexts.current, ra, sp, at.pc, at.sp);
}

__attribute__((used)) static void enter_block(unsigned vcpu, struct block *block, const void *env)
{
	struct thread *thread = threads[vcpu];

	thread->nr_insns += block->nr_insns;
	if (!block->entered && nr_proved < NR_BLOCKS_PROVED) {
		block->entered = true;
		nr_proved++;
		if (!guest__env_fits(env, block->pc))
			die("the registers are not where this QEMU was thought to have them");
	}
	if (thread->slot_next) {
		thread->slot_next = false;
		return;
	}
	if (block->handler)
		enter_handler(thread, env);
	if (thread->left)
		arrive(thread, block->pc, guest__register(env, GUEST_SP));
	if (block->branch != GUEST_OTHER) {
		thread->left = block;
		thread->left_sp = guest__register(env, GUEST_SP);
		thread->slot_next = block->slot_later;
	}
}

/*
 * Version 1 of the interface has no way to read registers. But translated code keeps the address of
 * the processor's state in one register of the host (TCG_AREG0) and calls plugins from there; where
 * a block begins all of the guest's registers are in that state. enter_block proves it by the pc,
 * which is up to date where a block is entered for the first time.
 */
void begin_block(unsigned vcpu, void *data);
#if defined(__x86_64__)
__asm__(".text\n.type begin_block, @function\nbegin_block:\n\tmov %rbp, %rdx\n\tjmp enter_block\n");
#elif defined(__aarch64__)
__asm__(".text\n.type begin_block, %function\nbegin_block:\n\tmov x2, x19\n\tb enter_block\n");
#else
#error "the register that holds the processor's state is known for x86-64 and arm64 hosts only"
#endif

static void note_branch(struct block *block, const struct qemu_plugin_tb *tb)
{
	size_t nr = block->nr_insns;
	bool stub = false, compact;
	uint32_t insn;

	for (size_t i = 0; i < nr; i++) {
		struct qemu_plugin_insn *at = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(at);
		enum guest_branch branch;

		if (qemu_plugin_insn_size(at) != 4) /* MIPS16 */
			return;
		insn = guest__read_u32(pc);
		stub |= guest__is_stub_mark(insn);
		if (i + 2 < nr)
			continue;
		branch = guest__decode(insn, &compact);
		if (branch == GUEST_OTHER || (branch == GUEST_CALL && stub))
			continue;
		block->branch = branch;
		block->ret = pc + (compact ? 4 : 8);
		block->slot_later = !compact && i + 1 == nr;
		return;
	}
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
	struct block *block = calloc(1, sizeof(*block));

	if (!block)
		die("there is no memory for another block");
	block->pc = qemu_plugin_tb_vaddr(tb);
	block->nr_insns = (unsigned)qemu_plugin_tb_n_insns(tb);
	pthread_mutex_lock(&lock);
	guest.base = (uintptr_t)qemu_plugin_insn_haddr(first) - qemu_plugin_insn_vaddr(first);
	note_branch(block, tb);
	for (unsigned i = 0; i < nr_handlers; i++)
		block->handler |= handlers[i] == block->pc;
	block->older = blocks;
	blocks = block;
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, begin_block, PLUGIN_NO_REGISTERS, block);
}

static void note_handler(uint64_t handler)
{
	unsigned i = 0;

	pthread_mutex_lock(&lock);
	while (i < nr_handlers && handlers[i] != handler)
		i++;
	if (i == nr_handlers && i < MAX_HANDLERS) {
		handlers[nr_handlers++] = handler;
		for (struct block *block = blocks; block; block = block->older)
			block->handler |= block->pc == handler;
	}
	pthread_mutex_unlock(&lock);
}

static void take_over(struct thread *thread, uint64_t frames, uint64_t nr, uint64_t cfa)
{
	struct judge_stack stack = {
		.frames = frames,
		.nr_frames = nr & HANDOVER_NR,
		.cfa = cfa,
		.cut = nr & HANDOVER_CUT,
		.lost = nr & HANDOVER_LOST,
	};

	if (thread->walk_began > 0)
		stack.nr_insns = thread->nr_insns - thread->walk_began;
	thread->walk_began = 0;
	judge__stack(&stack, &thread->contexts.current);
}

static void called(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2,
		   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
	struct thread *thread = threads[vcpu];

	if (number == guest.syscalls.prctl && a1 == HANDOVER_BEGIN)
		thread->walk_began = thread->nr_insns;
	else if (number == guest.syscalls.prctl && a1 == HANDOVER_FRAMES)
		take_over(thread, a2, a3, a4);
	else if (number == guest.syscalls.rt_sigaction && guest__handler(a2) != 0)
		note_handler(guest__handler(a2));
	else if (number == guest.syscalls.execve)
		judge__report();
}

static void thread_begins(qemu_plugin_id_t id, unsigned int vcpu)
{
	if (vcpu >= MAX_THREADS)
		die("the program has more threads than the oracle has room for");
	pthread_mutex_lock(&lock);
	if (!threads[vcpu])
		threads[vcpu] = calloc(1, sizeof(*threads[vcpu]));
	pthread_mutex_unlock(&lock);
	if (!threads[vcpu])
		die("there is no memory for another thread");
	contexts__clear(&threads[vcpu]->contexts);
	threads[vcpu]->left = NULL;
	threads[vcpu]->slot_next = false;
	threads[vcpu]->walk_began = 0;
}

static void ends(qemu_plugin_id_t id, void *data)
{
	judge__report();
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc,
			char **argv)
{
	const char *out = "oracle.out";
	unsigned long limit = 10;

	if (info->system_emulation || !guest__is(info->target_name)) {
		fprintf(stderr, "oracle: %s is not a MIPS program's emulator\n", info->target_name);
		return -1;
	}
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out = strdup(argv[i] + 4);
		else if (strncmp(argv[i], "limit=", 6) == 0)
			limit = strtoul(argv[i] + 6, NULL, 10);
		else if (strcmp(argv[i], "r6=on") == 0)
			guest.r6 = true;
	}
	judge__init(out, limit);
	qemu_plugin_register_vcpu_init_cb(id, thread_begins);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_vcpu_syscall_cb(id, called);
	qemu_plugin_register_atexit_cb(id, ends, NULL);
	return 0;
}

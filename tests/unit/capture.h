/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and stack as a probe would have recorded them, and the frames libgcc finds there. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define CAPTURE_MAX_STACK  (64 << 10)
#define CAPTURE_MAX_FRAMES 512

enum { CAPTURE_RBX = 3, CAPTURE_RBP = 6, CAPTURE_RSP = 7, CAPTURE_PC = 16, CAPTURE_NR_REGS };

struct capture {
	uint64_t regs[CAPTURE_NR_REGS];
	uint8_t stack[CAPTURE_MAX_STACK];
	uint64_t stack_address;
	size_t stack_len;
	/* From the caller of capture_here on, in expected[1]. */
	void *expected[CAPTURE_MAX_FRAMES];
	size_t nr_expected;
};

/* The caller's registers, as they are when this returns. What a call may change is junk. */
void capture_registers(uint64_t regs[CAPTURE_NR_REGS]);
__asm__(".pushsection .text\n"
	".globl capture_registers\n"
	".type capture_registers, @function\n"
	"capture_registers:\n"
	"	.cfi_startproc\n"
	"	movq $0x1111, (%rdi)\n"
	"	movq $0x1111, 8(%rdi)\n"
	"	movq $0x1111, 16(%rdi)\n"
	"	movq %rbx, 24(%rdi)\n"
	"	movq $0x1111, 32(%rdi)\n"
	"	movq $0x1111, 40(%rdi)\n"
	"	movq %rbp, 48(%rdi)\n"
	"	leaq 8(%rsp), %rax\n"
	"	movq %rax, 56(%rdi)\n"
	"	movq $0x1111, 64(%rdi)\n"
	"	movq $0x1111, 72(%rdi)\n"
	"	movq $0x1111, 80(%rdi)\n"
	"	movq $0x1111, 88(%rdi)\n"
	"	movq %r12, 96(%rdi)\n"
	"	movq %r13, 104(%rdi)\n"
	"	movq %r14, 112(%rdi)\n"
	"	movq %r15, 120(%rdi)\n"
	"	movq (%rsp), %rax\n"
	"	movq %rax, 128(%rdi)\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size capture_registers, .-capture_registers\n"
	".popsection\n");

/* The end of the mapping address is in. */
static inline uint64_t capture_mapping_end(uint64_t address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t start, end, found = 0;
	char line[4096];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 && start <= address &&
		    address < end)
			found = end;
	}
	if (maps)
		fclose(maps);
	return found;
}

/* Through a file: address sanitizers think little of reading other functions' frames. */
static inline void capture_stack(struct capture *capture)
{
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uint64_t end = capture_mapping_end(capture->regs[CAPTURE_RSP]);
	ssize_t got;

	capture->stack_address = capture->regs[CAPTURE_RSP];
	got = pread(memory, capture->stack,
		    min(end - capture->stack_address, (uint64_t)CAPTURE_MAX_STACK),
		    (off_t)capture->stack_address);
	capture->stack_len = got > 0 ? (size_t)got : 0;
	close(memory);
}

/* <unwind.h> of the compiler has the name of one of ours. */
struct _Unwind_Context;
int _Unwind_Backtrace(int (*visit)(struct _Unwind_Context *context, void *data), void *data);
uintptr_t _Unwind_GetIPInfo(struct _Unwind_Context *context, int *is_exact);

struct capture_search {
	struct capture *capture;
	uintptr_t caller;
	bool found;
};

/* What was interrupted is one byte further, so that all are behind an instruction's first. */
static inline int capture_frame(struct _Unwind_Context *context, void *data)
{
	struct capture_search *search = data;
	struct capture *capture = search->capture;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact);

	search->found |= pc == search->caller;
	if (pc && search->found && capture->nr_expected < CAPTURE_MAX_FRAMES)
		capture->expected[capture->nr_expected++] = (void *)(pc + (is_exact != 0));
	return 0;
}

static inline void capture_expected(struct capture *capture, const void *caller)
{
	struct capture_search search = { .capture = capture, .caller = (uintptr_t)caller };

	capture->nr_expected = 1;
	_Unwind_Backtrace(capture_frame, &search);
}

static __attribute__((noinline)) void capture_here(struct capture *capture)
{
	capture_registers(capture->regs);
	capture_stack(capture);
	capture_expected(capture, __builtin_return_address(0));
}

#endif /* CAPTURE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hand-written functions (x86-64) that describe themselves with .cfi directives: registers pushed
 * by hand, the CFA in another register, the stack switched with an expression, and a call as the
 * very last instruction, whose return address belongs to the next function.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int after;
static jmp_buf back;

void pushing(void (*function)(long), long argument);
void by_rbp(void (*function)(long), long argument);
void by_rbx(void (*function)(long), long argument);
void other_stack(void (*function)(long), long argument, void *stack_end);
void ending(void (*function)(long), long argument);

__asm__(".text\n"
	".type pushing, @function\n"
	"pushing:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbp, 0\n"
	"	push %r12\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %r12, 0\n"
	"	mov $0x5555, %ebp\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	pushq $1\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call *%rax\n"
	"	add $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	pop %r12\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %r12\n"
	"	pop %rbp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size pushing, .-pushing\n"

	".type by_rbp, @function\n"
	"by_rbp:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbp, -16\n"
	"	mov %rsp, %rbp\n"
	"	.cfi_def_cfa_register %rbp\n"
	"	sub $4096, %rsp\n"
	"	and $-512, %rsp\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	call *%rax\n"
	"	leave\n"
	"	.cfi_def_cfa %rsp, 8\n"
	"	.cfi_restore %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size by_rbp, .-by_rbp\n"

	".type by_rbx, @function\n"
	"by_rbx:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbx, -16\n"
	"	mov %rsp, %rbx\n"
	"	.cfi_def_cfa_register %rbx\n"
	"	and $-64, %rsp\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	call *%rax\n"
	"	mov %rbx, %rsp\n"
	"	.cfi_def_cfa_register %rsp\n"
	"	pop %rbx\n"
	"	.cfi_def_cfa_offset 8\n"
	"	.cfi_restore %rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size by_rbx, .-by_rbx\n"

	/* CFA = *(rsp + 8) + 8, where the old stack pointer was left: DW_CFA_def_cfa_expression of
	 * DW_OP_breg7 8, DW_OP_deref, DW_OP_plus_uconst 8. */
	".type other_stack, @function\n"
	"other_stack:\n"
	"	.cfi_startproc\n"
	"	mov %rsp, %rax\n"
	"	mov %rax, -8(%rdx)\n"
	"	lea -16(%rdx), %rsp\n"
	"	.cfi_escape 0x0f, 5, 0x77, 8, 0x06, 0x23, 8\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	call *%rax\n"
	"	mov 8(%rsp), %rsp\n"
	"	.cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size other_stack, .-other_stack\n"

	".type ending, @function\n"
	"ending:\n"
	"	.cfi_startproc\n"
	"	sub $24, %rsp\n"
	"	.cfi_adjust_cfa_offset 24\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	call *%rax\n"
	"	.cfi_endproc\n"
	".size ending, .-ending\n"
	".type after_ending, @function\n"
	"after_ending:\n"
	"	.cfi_startproc\n"
	"	.cfi_def_cfa_offset 4096\n"
	"	hlt\n"
	"	.cfi_endproc\n"
	".size after_ending, .-after_ending\n");

static NOINLINE void keep(long bytes)
{
	kept = malloc(bytes);
	after++;
}

static NOINLINE void keep_and_leave(long bytes)
{
	kept = malloc(bytes);
	longjmp(back, 1);
}

static NOINLINE void both(long bytes)
{
	by_rbp(keep, bytes);
	after++;
}

static NOINLINE void leave_by_jump(long bytes)
{
	if (!setjmp(back))
		ending(keep_and_leave, bytes);
	after++;
}

int main(void)
{
	static char space[64 << 10] __attribute__((aligned(64)));
	int i;

	for (i = 0; i < 3; i++) {
		pushing(keep, 100 + i);
		by_rbp(keep, 200 + i);
		by_rbx(keep, 300 + i);
		other_stack(keep, 400 + i, space + sizeof(space));
		other_stack(both, 500 + i, space + sizeof(space));
		pushing(both, 600 + i);
		leave_by_jump(700 + i);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   sandbox strict|filter [wait]  enters seccomp, then allocates and gives back, and prints its
 * tally
 *
 * From then on any system call but read, write and its end kills it: in the strict mode of the
 * kernel, or by a filter that kills the whole process. The heap is grown before, so that the
 * allocator needs none. "wait": after a byte from stdin, read inside the sandbox.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tally.h"

#define KEPT 200

static void *volatile kept[KEPT];

static void grow_heap(void)
{
	void *volatile block;

	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	tally_allocated(4 << 20);
	block = malloc(4 << 20);
	free(block);
	tally_freed(4 << 20);
}

#define ALLOW(number)                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void enter_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static __attribute__((noinline)) void work(void)
{
	size_t i;

	for (i = 0; i < KEPT; i++) {
		void *volatile block = malloc(100 + i);

		tally_allocated(100 + i);
		block = realloc(block, 300);
		tally_resized(100 + i, 300);
		free(block);
		tally_freed(300);
		kept[i] = calloc(3, 7);
		tally_allocated(21);
	}
}

int main(int argc, char **argv)
{
	char byte;

	MUST(argc >= 2);
	if (argc == 2)
		grow_heap();
	else
		grow_heap(), memset(&tally, 0, sizeof(tally)); /* nobody watches yet */
	if (!strcmp(argv[1], "strict"))
		MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
	else
		enter_filter();
	if (argc > 2)
		MUST(write(STDOUT_FILENO, "\n", 1) == 1 && read(STDIN_FILENO, &byte, 1) == 1);
	work();
	tally_print();
	syscall(SYS_exit, 0);
}

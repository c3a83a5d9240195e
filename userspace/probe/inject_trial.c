// SPDX-License-Identifier: BSD-2-Clause
#include "probe/inject_trial.h"

#include <asm/ptrace.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "probe/trial.h"

#define REPLACED 4711u

/* Returns its argument, which it looks at after its first instruction. */
uint64_t inject_trial_argument(uint64_t argument);

__asm__(".pushsection .text\n"
	".globl inject_trial_argument\n"
	".type inject_trial_argument, @function\n"
	"inject_trial_argument: push %rbx\n mov %rdi, %rax\n pop %rbx\n ret\n"
	".size inject_trial_argument, . - inject_trial_argument\n"
	".popsection\n");

/* The verifier's verdict is the first line of its log that is no instruction and no state: those
 * begin with a number, as "2: (7b) ...", or a register. */
static void find_verdict(char *log, char *why, size_t size)
{
	char *rest = log, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line || (*line >= '0' && *line <= '9') || *line == 'R' ||
		    !strncmp(line, "processed ", 10))
			continue;
		text__strip_controls(line);
		snprintf(why, size, "the verifier says: %s", line);
		return;
	}
}

/* A program that writes the register of the first argument. A descriptor or -errno. */
static int load_writer(int attach_type, char *why, size_t size)
{
	struct bpf_insn code[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, REPLACED },
		{ BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_2, offsetof(struct pt_regs, rdi),
		  0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1, .expected_attach_type = (enum bpf_attach_type)attach_type);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "heaptap_trial", "Dual BSD/GPL", code,
			       ARRAY_SIZE(code), &opts);
	int err = fd < 0 ? -errno : 0;

	if (!err)
		return fd;
	snprintf(why, size, "%s", strerror(-err));
	find_verdict(log, why, size);
	return err;
}

static int try_kind(enum link_kind kind, char *why, size_t size)
{
	struct probe_site site = trial__site_at((void (*)(void))inject_trial_argument);
	int program = load_writer(link_kind__attach_type(kind), why, size);
	struct link_programs programs = { program, program, program };
	struct links links = { 0 };
	uint64_t result = 0;
	int err;

	if (program < 0)
		return program;
	err = links__attach(&links, kind, &programs, "/proc/self/exe", getpid(), 0, &site, 1);
	if (!err)
		result = inject_trial_argument(1);
	links__detach(&links);
	close(program);
	if (err)
		snprintf(why, size, "no probe could be set: %s", strerror(-err));
	else if (result != REPLACED)
		snprintf(why, size, "what a program writes to a register has no effect");
	return err ? err : result == REPLACED ? 0 : -EOPNOTSUPP;
}

int inject_trial__run(char *why, size_t size)
{
	int err = -EOPNOTSUPP;

	for (enum link_kind kind = 0; err && kind < NR_LINK_KINDS; kind++) {
		char other[128], *said = kind ? other : why;

		err = try_kind(kind, said, kind ? sizeof(other) : size);
		/* What the best kind of link is refused for is no news where the kernel has none.
		 */
		if (err == -EACCES && said != why)
			snprintf(why, size, "%s", other);
	}
	return err;
}

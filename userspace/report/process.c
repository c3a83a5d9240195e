// SPDX-License-Identifier: BSD-2-Clause
#include "report/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "wire.h"

struct process *process__new(uint32_t pid, const struct process *parent)
{
	struct process *process = xcalloc(1, sizeof(*process));

	process->pid = pid;
	process->heap = parent ? heap__copy(parent->heap) : heap__new();
	process->space = parent && parent->space ? space__copy(parent->space) : space__new();
	if (!parent)
		return process;
	process->launched = parent->launched;
	process->exe = parent->exe ? xstrdup(parent->exe) : NULL;
	process->cmdline = parent->cmdline ? xstrdup(parent->cmdline) : NULL;
	process->started_ns = parent->started_ns;
	process->end_ns = parent->end_ns;
	return process;
}

void process__free(struct process *process)
{
	heap__free(process->heap);
	space__free(process->space);
	free(process->exe);
	free(process->cmdline);
	free(process);
}

void process__set_target(struct process *process, const struct wire_target *record)
{
	const char *exe = (const char *)(record + 1), *cmdline = exe + record->exe_len;
	uint32_t len = record->cmdline_len;

	free(process->exe);
	free(process->cmdline);
	process->exe = xstrndup(exe, record->exe_len);
	while (len && !cmdline[len - 1])
		len--;
	process->cmdline = xmalloc(len + 1);
	for (uint32_t i = 0; i < len; i++)
		process->cmdline[i] = cmdline[i] ? cmdline[i] : ' ';
	process->cmdline[len] = '\0';
	process->started_ns = record->started_ns;
	process->launched = record->flags & WIRE_TARGET_LAUNCHED;
}

void process__exec(struct process *process)
{
	heap__reset(process->heap);
	process->memory = (struct memory_use){ 0 };
}

void process__set_memory(struct process *process, const struct wire_memory *record)
{
	struct memory_use *memory = &process->memory;
	uint64_t bytes = record->anonymous_bytes -
			 min(record->stack_bytes, record->anonymous_bytes);

	if (!memory->known) {
		memory->known = true;
		memory->first_bytes = bytes;
		memory->first_live_bytes = heap__totals(process->heap)->live_bytes;
	}
	memory->peak_bytes = max(memory->peak_bytes, bytes);
}

void process__end(struct process *process, uint64_t time_ns, uint32_t reason, uint32_t status)
{
	process->ended = true;
	process->end_ns = time_ns;
	process->end_reason = reason;
	process->end_status = status;
	space__free(process->space);
	process->space = NULL;
}

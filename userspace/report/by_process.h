/* SPDX-License-Identifier: BSD-2-Clause */
/* What an observer keeps of each process, found by process->number. */
#ifndef BY_PROCESS_H
#define BY_PROCESS_H

#include <stddef.h>

struct process;

/* Zero-initialise. */
struct by_process {
	void **all; /* NULL: nothing of that process */
	size_t nr, capacity;
};

/* What is kept of a process: `size` bytes, zero at first. Stays where it is. */
void *by_process__get(struct by_process *table, const struct process *process, size_t size);
/* The same; NULL where there is nothing yet. */
void *by_process__find(const struct by_process *table, const struct process *process);
/* Frees all; clear is called for each before. */
void by_process__clear(struct by_process *table, void (*clear)(void *kept));

#endif /* BY_PROCESS_H */

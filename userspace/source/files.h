/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that watched processes run code from, each once for all of them: what can be probed in
 * it, its unwind table, its record. A file is kept open, so that its names can be read when the
 * process, or the file's own name, is gone.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/allocators.h"
#include "probe/target.h"
#include "source/queue.h"
#include "source/unwind_tables.h"

struct mapped_file {
	dev_t device; /* both 0: no file */
	ino_t inode;
	pid_t pid; /* of what is no file: whose it is; 0: the same in every process */
	char *path;
	int fd;			  /* -1: none */
	struct elf_file *elf;	  /* NULL: none */
	uint32_t unwind;	  /* number of its unwind table */
	struct probe_site *sites; /* of allocator functions, and of the dynamic loader's news */
	size_t nr_sites, nr_functions;
	bool traces;	  /* a program that traces others */
	bool maps_memory; /* asks the kernel for memory itself */
	char *why_none;	  /* a sentence why it has no functions, where that is special; NULL: it is
			     not */
};

struct files {
	struct unwind_tables *tables;
	struct queue *queue;
	const struct allocator_config *allocators; /* NULL: the defaults */
	struct mapped_file *files;		   /* by module id */
	size_t nr, capacity;
};

/* All stay the caller's. */
void files__init(struct files *files, struct unwind_tables *tables, struct queue *queue,
		 const struct allocator_config *allocators);
void files__clear(struct files *files);

/* The module id of what a mapping of process pid shows: known, or opened, examined and its record
 * queued. */
uint32_t files__find(struct files *files, pid_t pid, const struct target_mapping *mapping);

/* The link-time address of the beginning of a mapping of file. */
uint64_t files__vaddr(const struct mapped_file *file, const struct target_mapping *mapping);

/* Processes that have mapped code of their own making. */
size_t files__nr_generators(const struct files *files);

/* The first special reason why a file has no functions; NULL: there is none. */
const char *files__why_none(const struct files *files);

/* The descriptor of a module's file; -1: none. */
int files__fd(const struct files *files, uint32_t module);

#endif /* FILES_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* How a process is called in text: for a heading. */
#ifndef PROCESS_TEXT_H
#define PROCESS_TEXT_H

#include <stdio.h>

struct process;

/*
 * "Process 1234: g++ -c x.cc (forked by 1230, exited with status 0)", without an end of line.
 * Control characters are replaced and a long command line is cut. Returns the characters written.
 */
unsigned process_text__write(const struct process *process, FILE *out);
/* The same, underlined, and an empty line. */
void process_text__heading(const struct process *process, FILE *out);

#endif /* PROCESS_TEXT_H */

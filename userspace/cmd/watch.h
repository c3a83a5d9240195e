/* SPDX-License-Identifier: BSD-2-Clause */
/* Which engine watches what the command line names. */
#ifndef WATCH_H
#define WATCH_H

struct options;
struct source;

/*
 * Watches the processes or the command that the options name: by the engine they name, else by BPF
 * where it works, else, a command, by the preload library, after a line that says so. NULL after
 * saying why not.
 */
struct source *watch__open(const struct options *options);

#endif /* WATCH_H */

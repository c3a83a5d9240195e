/* SPDX-License-Identifier: BSD-2-Clause */
/* What heaptap and its keeper say to each other, and the keeper's side of it. */
#ifndef KEEPER_PROCESS_H
#define KEEPER_PROCESS_H

#include <stddef.h>
#include <stdint.h>

enum keeper_verb {
	KEEPER_WATCH, /* with two descriptors: see keeper__watch */
	KEEPER_KEEP,  /* with one: that link, by number */
	KEEPER_CLOSE, /* a link */
	KEEPER_TELL,  /* answer when nothing is left to be closed */
};

struct keeper_message {
	uint32_t verb;
	uint32_t link;
};

/* Sends a message with up to two descriptors. 0 or -errno. */
int keeper__send(int socket, const struct keeper_message *message, const int *fds, size_t nr_fds);

/* Never returns: serves until the other end of socket is closed, cleans up, and exits. */
_Noreturn void keeper__run(int socket);

#endif /* KEEPER_PROCESS_H */

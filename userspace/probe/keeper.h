/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper: a small process of heaptap's own that holds the links and outlives it. However
 * heaptap ends, kill -9 included, somebody takes the probes away and continues who was stopped.
 *
 * It must be another process: the kernel takes breakpoints out in the task that closes a link last,
 * and gives up where that task has been killed ("failed to unregister, leaking uprobe"). And it
 * saves time: each link takes some 40 ms to go, but many can go at once, while heaptap does
 * something else.
 */
#ifndef KEEPER_H
#define KEEPER_H

/* Starts it, before there are links and threads. Where it cannot be started (says so), or is not,
 * links are held and closed by the calling process itself. */
void keeper__start(void);
/* Everything given is taken away when it returns; then it ends. */
void keeper__end(void);

/* Which processes may be stopped, when heaptap is gone: the BPF maps `followed` and `processes`
 * (bpf/follow_abi.h, bpf/unwind_abi.h). The descriptors stay the caller's. */
void keeper__watch(int followed_fd, int processes_fd);

/* Hands over the descriptor of a link. Returns its handle. */
int keeper__give(int fd);
/* Has a link closed, some time soon. */
void keeper__close(int handle);
/* Waits until all that were to be closed are. */
void keeper__wait(void);

#endif /* KEEPER_H */

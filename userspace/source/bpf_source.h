/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two halves of the BPF source share: bpf_begin.c sets it up, bpf.c runs it. */
#ifndef BPF_SOURCE_H
#define BPF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "source/engine.h"
#include "source/mapevents.h"
#include "source/processes.h"
#include "source/queue.h"
#include "source/source.h"
#include "source/walks.h"
#include "wire.h"

struct bpf_source {
	struct source source;
	struct engine engine;
	struct processes processes;
	struct mapevents events;
	struct queue queue;
	struct walks walks;
	pid_t command;	     /* launched; 0: none */
	bool command_exists; /* it was not collected yet */
	int command_status;
	int epoll;
	bool stopping, ended;
	uint64_t nr_lost_told;
	/* What the ring told of processes, to be seen to when its records were handed on. */
	struct news {
		uint32_t type;
		struct wire_fork fork; /* of the other types, the head only */
	} * news;
	size_t nr_news, news_capacity;
	/* Where records go while the source is pumped. */
	record_fn take;
	void *take_data;
};

/* Fills in what does not depend on who is watched. */
void bpf_source__init(struct bpf_source *self);

#endif /* BPF_SOURCE_H */

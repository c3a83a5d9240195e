/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel can do and what it costs, found by trying it on heaptap itself: a counting BPF
 * program on a function of our own.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>

#include "probe/link.h"

/* A site in heaptap itself that can be probed without harm: an allocating function's. */
struct probe_site trial__own_site(void);
/* The site at the start of a function in heaptap's own file, whose return is not probed. */
struct probe_site trial__site_at(void (*function)(void));

/* Does a link of this kind work here? 0, or the -errno of what failed. */
int trial__link_kind(enum link_kind kind);

/* Does a multi link confined to a process see all its threads? */
bool trial__multi_sees_threads(void);

/*
 * Does a thread under seccomp survive a return probe? Since Linux 6.11 such probes make a system
 * call on x86-64, which seccomp lets pass only since 6.14 ("seccomp: passthrough uretprobe
 * systemcall without filtering"). Tried once, then remembered.
 */
bool trial__spares_sandboxes(void);

struct trial_cost {
	double emulated_ns;	  /* a probe on an instruction the kernel emulates */
	double single_stepped_ns; /* on one it must single-step */
	double return_ns;	  /* what the return side adds */
};

/* Measures what a probe adds to a call here. 0 or -errno. Takes about a tenth of a second. */
int trial__cost(struct trial_cost *cost);

/* What a call of the site's function will cost more, by that measurement. */
double trial_cost__call_ns(const struct trial_cost *cost, const struct probe_site *site);

#endif /* TRIAL_H */

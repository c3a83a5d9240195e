/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library needs of the system and may call inside malloc: nothing here allocates, and
 * errno stays as it was. */
#ifndef PRELOAD_OS_H
#define PRELOAD_OS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull

uint64_t os__monotonic_ns(void);
uint64_t os__realtime_ns(void);
void os__sleep_us(unsigned us);

/* No signal's handler runs in this thread until they are allowed again as they were. */
void os__block_signals(sigset_t *before);
void os__allow_signals(const sigset_t *before);

/* Waits for *locked, of 0 or 1, by at most so many naps of 100 us. False: in vain. It is given back
 * by storing 0. */
bool os__lock(uint32_t *locked, unsigned max_naps);

/* fcntl(2), of a number or a pointer. */
int os__fcntl(int fd, int command, long argument);

/* Of the kernel, whatever the C library remembers. */
uint32_t os__pid(void);
uint32_t os__tid(void);

/* Zeroed memory; NULL. */
void *os__map(size_t bytes);

/* Up to size - 1 bytes of a file, and a NUL. Returns how many; 0 also where it cannot be read. */
size_t os__read_file(const char *path, char *data, size_t size);

/* "heaptap: ", the texts up to the NULL, and a line's end, on stderr; a few lines a process at
 * most. Raises no SIGPIPE. */
void os__say_all(const char *const *texts);
#define os__say(...) os__say_all((const char *const[]){ __VA_ARGS__, NULL })

/* As it is, on stderr; raises no SIGPIPE. */
void os__write_stderr(const void *data, size_t len);

/* The n-th of strings that lie one behind the other, from 0. */
const char *os__nth(const char *strings, unsigned n);

/* strerror, of the errors a sink may meet; never NULL. */
const char *os__error(int err);

/* value / by, and what is left; what a compiler has for this is large on small machines. */
uint64_t os__divide(uint64_t value, uint32_t by, uint32_t *rest);
/* value in decimal at `to` (24 bytes); returns its end. */
char *os__decimal(char *to, uint64_t value);

#endif /* PRELOAD_OS_H */

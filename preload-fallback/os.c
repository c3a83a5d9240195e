// SPDX-License-Identifier: BSD-2-Clause
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Lines a process may have on stderr: a program is not to drown in them. */
#define MAX_LINES 8
#define MAX_PARTS 8

/* In older C libraries it is in librt, which a program need not have. */
extern __typeof__(clock_gettime) clock_gettime __attribute__((weak));

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = { 0, 0 };
	int saved = errno;

	if (clock_gettime)
		clock_gettime(clock, &now);
#ifdef SYS_clock_gettime
	else
		syscall(SYS_clock_gettime, clock, &now);
#endif
	errno = saved;
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t os__monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t os__realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

void os__sleep_us(unsigned us)
{
	struct timespec nap = { 0, (long)us * 1000 };
	int saved = errno;

	nanosleep(&nap, NULL);
	errno = saved;
}

void os__block_signals(sigset_t *before)
{
	int saved = errno;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, before);
	errno = saved;
}

void os__allow_signals(const sigset_t *before)
{
	int saved = errno;

	sigprocmask(SIG_SETMASK, before, NULL);
	errno = saved;
}

/* glibc's function for large files has a name that musl does not know, and musl's loader ends a
 * program in which a name is missing: what a library of glibc's is put into may have been linked to
 * musl. */
int os__fcntl(int fd, int command, long argument)
{
#ifdef SYS_fcntl64
	return (int)syscall(SYS_fcntl64, fd, command, argument);
#else
	return (int)syscall(SYS_fcntl, fd, command, argument);
#endif
}

uint32_t os__pid(void)
{
	return (uint32_t)syscall(SYS_getpid);
}

uint32_t os__tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

void *os__map(size_t bytes)
{
	int saved = errno;
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	return memory == MAP_FAILED ? NULL : memory;
}

size_t os__read_file(const char *path, char *data, size_t size)
{
	int saved = errno, fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	while (fd >= 0 && used < size - 1) {
		got = read(fd, data + used, size - 1 - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	data[used] = '\0';
	errno = saved;
	return used;
}

/* A reader of stderr that is gone is no reason for a signal. */
static void write_quietly(const struct iovec *parts, int nr_parts)
{
	const struct timespec now = { 0, 0 };
	sigset_t pipe, old, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	sigprocmask(SIG_BLOCK, &pipe, &old);
	if (writev(STDERR_FILENO, parts, nr_parts) < 0 && errno == EPIPE &&
	    !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &now);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void os__write_stderr(const void *data, size_t len)
{
	struct iovec all = { (void *)(uintptr_t)data, len };
	int saved = errno;

	write_quietly(&all, 1);
	errno = saved;
}

static struct iovec part(const char *text)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };

	return iov;
}

void os__say_all(const char *const *texts)
{
	static uint32_t nr_lines;
	struct iovec parts[MAX_PARTS] = { part("heaptap: ") };
	int saved = errno, nr_parts = 1;

	while (*texts && nr_parts < MAX_PARTS - 1)
		parts[nr_parts++] = part(*texts++);
	parts[nr_parts++] = part("\n");
	if (__atomic_fetch_add(&nr_lines, 1, __ATOMIC_RELAXED) < MAX_LINES)
		write_quietly(parts, nr_parts);
	errno = saved;
}

/* Not strerror: it may allocate, and look for translations. */
bool os__lock(uint32_t *locked, unsigned max_naps)
{
	for (unsigned naps = 0; naps < max_naps; naps++) {
		if (!__atomic_exchange_n(locked, 1, __ATOMIC_ACQUIRE))
			return true;
		os__sleep_us(100);
	}
	return false;
}

const char *os__nth(const char *strings, unsigned n)
{
	while (n--)
		strings += strlen(strings) + 1;
	return strings;
}

#define ERRORS(ROW)                                      \
	ROW(EACCES, "permission denied")                 \
	ROW(EPERM, "not permitted")                      \
	ROW(ENOENT, "no such file or directory")         \
	ROW(ENOTDIR, "part of the path is no directory") \
	ROW(EISDIR, "it is a directory")                 \
	ROW(ELOOP, "it is a symbolic link")              \
	ROW(EEXIST, "it exists")                         \
	ROW(ENOSPC, "no space is left on the device")    \
	ROW(EDQUOT, "the disk quota is used up")         \
	ROW(EFBIG, "the file has become too large")      \
	ROW(EROFS, "the file system is read-only")       \
	ROW(EIO, "input/output error")                   \
	ROW(EMFILE, "too many files are open")           \
	ROW(ENFILE, "too many files are open")           \
	ROW(ENXIO, "it is no file that can be written")  \
	ROW(ECONNREFUSED, "connection refused")          \
	ROW(ECONNRESET, "connection reset")              \
	ROW(EPIPE, "the connection was closed")          \
	ROW(ENETUNREACH, "the network is unreachable")   \
	ROW(EHOSTUNREACH, "the host is unreachable")     \
	ROW(ETIMEDOUT, "no answer")                      \
	ROW(EINVAL, "the address is not understood")     \
	ROW(ENOMEM, "out of memory")

const char *os__error(int err)
{
#define NUMBER(number, text) number,
#define TEXT(number, text)   text "\0"
	static const int16_t numbers[] = { ERRORS(NUMBER) };
	/* One behind the other: a pointer to each, and its relocation, would be as large. */
	static const char texts[] = ERRORS(TEXT);
#undef NUMBER
#undef TEXT
	unsigned i = 0;

	while (i < sizeof(numbers) / sizeof(numbers[0]) && numbers[i] != err)
		i++;
	return i < sizeof(numbers) / sizeof(numbers[0]) ? os__nth(texts, i) : "it failed";
}

uint64_t os__divide(uint64_t value, uint32_t by, uint32_t *rest)
{
	uint64_t left = 0, quotient = 0;

	for (unsigned bit = 64; bit--;) {
		left = left << 1 | (value >> bit & 1);
		quotient <<= 1;
		if (left >= by) {
			left -= by;
			quotient |= 1;
		}
	}
	*rest = (uint32_t)left;
	return quotient;
}

char *os__decimal(char *to, uint64_t value)
{
	char digits[24];
	unsigned n = 0;
	uint32_t digit;

	do {
		value = os__divide(value, 10, &digit);
		digits[n++] = (char)('0' + digit);
	} while (value);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * A library to preload: at every allocation of a program it walks the stack with an unwinder of
 * preload-fallback/ and with the C compiler's own, and compares. At the end, or before another image
 * replaces this one, it writes to UNWIND_COMPARE.PID what came of it:
 *
 *	stacks N equal N cut N marked N different N
 *
 * cut: the compiler's went no further, and ours did; marked: ours ended early and said so;
 * different: anything else, also an early end without the mark. Then the first few of the last two
 * kinds, frame by frame.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload-fallback/unwind.h"

#define MAX_SHOWN 8

/* <unwind.h> of the compiler: the name is taken here. */
struct _Unwind_Context;
int _Unwind_Backtrace(int (*trace)(struct _Unwind_Context *, void *), void *data);
uintptr_t _Unwind_GetIPInfo(struct _Unwind_Context *context, int *is_exact);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

struct stack {
	uintptr_t frames[WIRE_MAX_FRAMES + 1];
	unsigned nr_frames;
	uintptr_t begin; /* where to: the first frame wanted */
};

static unsigned long nr_stacks, nr_equal, nr_cut, nr_marked, nr_different, nr_shown;
static const struct unwinder *unwinder;
static __thread int is_inside __attribute__((tls_model("initial-exec")));
/* Of the thread's last walk, as a hook would keep it. */
static __thread struct stack last __attribute__((tls_model("initial-exec")));
static __thread uint32_t last_serial __attribute__((tls_model("initial-exec")));
static int report = -1;

/* As the library writes what was interrupted. */
#ifdef __aarch64__
#define INSTRUCTION_BYTES 4
#else
#define INSTRUCTION_BYTES 1
#endif

static int add_frame(struct _Unwind_Context *context, void *data)
{
	struct stack *stack = data;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact);

	if (!stack->nr_frames && pc != stack->begin)
		return 0;
	if (pc && stack->nr_frames <= WIRE_MAX_FRAMES)
		stack->frames[stack->nr_frames++] = pc + (is_exact ? INSTRUCTION_BYTES : 0);
	return 0;
}

static void open_report(void)
{
	const char *path = getenv("UNWIND_COMPARE");
	char name[4096];
	int fd;

	if (report >= 0 || !path)
		return;
	snprintf(name, sizeof(name), "%s.%d", path, (int)getpid());
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	/* Out of the way of programs that count their files. */
	report = fcntl(fd, F_DUPFD_CLOEXEC, 900);
	if (report < 0)
		report = fd;
	else
		close(fd);
}

static void show_frames(const char *name, const struct stack *stack)
{
	for (unsigned i = 0; i < stack->nr_frames; i++) {
		Dl_info info = { 0 };
		uintptr_t frame = stack->frames[i];

		dladdr((void *)frame, &info);
		dprintf(report, " %s %u %#lx %s+%#lx %s\n", name, i, (long)frame,
			info.dli_fname ? info.dli_fname : "?", (long)frame - (long)info.dli_fbase,
			info.dli_sname ? info.dli_sname : "?");
	}
}

static void show(const char *how, const struct stack *ours, const struct stack *theirs)
{
	if (__atomic_fetch_add(&nr_shown, 1, __ATOMIC_RELAXED) >= MAX_SHOWN)
		return;
	open_report();
	dprintf(report, "%s\n", how);
	show_frames("ours", ours);
	show_frames("theirs", theirs);
}

static void judge(const struct stack *ours, unsigned flags, const struct stack *theirs)
{
	unsigned shared = 0, most = theirs->nr_frames;

	if (most > WIRE_MAX_FRAMES)
		most = WIRE_MAX_FRAMES;
	while (shared < ours->nr_frames && shared < most &&
	       ours->frames[shared] == theirs->frames[shared])
		shared++;
	__atomic_add_fetch(&nr_stacks, 1, __ATOMIC_RELAXED);
	if (shared == ours->nr_frames && shared == most &&
	    (theirs->nr_frames <= WIRE_MAX_FRAMES || flags & WIRE_STACK_CUT)) {
		__atomic_add_fetch(&nr_equal, 1, __ATOMIC_RELAXED);
	} else if (shared == most && shared < ours->nr_frames) {
		__atomic_add_fetch(&nr_cut, 1, __ATOMIC_RELAXED);
	} else if (shared == ours->nr_frames && flags & WIRE_STACK_CUT) {
		__atomic_add_fetch(&nr_marked, 1, __ATOMIC_RELAXED);
		show("marked", ours, theirs);
	} else {
		__atomic_add_fetch(&nr_different, 1, __ATOMIC_RELAXED);
		show("different", ours, theirs);
	}
}

static void __attribute__((noinline)) compare(const struct unwind_from *from)
{
	struct unwind_note note = { .serial = last_serial };
	struct stack theirs = { .begin = from->pc };
	int error = errno;

	last.nr_frames = unwinder->walk(from, last.frames, WIRE_MAX_FRAMES, &note);
	last_serial = note.serial;
	_Unwind_Backtrace(add_frame, &theirs);
	judge(&last, note.flags, &theirs);
	errno = error;
}

static int begin(void)
{
	if (is_inside || !unwinder)
		return 0;
	is_inside = 1;
	return 1;
}

#define COMPARE()                               \
	do {                                    \
		struct unwind_from from;        \
						\
		UNWIND_CAPTURE(&from);          \
		if (begin()) {                  \
			compare(&from);         \
			is_inside = 0;          \
		}                               \
	} while (0)

void *malloc(size_t size)
{
	COMPARE();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	COMPARE();
	return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
	COMPARE();
	return __libc_realloc(block, size);
}

static void __attribute__((constructor)) start(void)
{
	unwinder = unwinder__choose(getenv("HEAPTAP_UNWIND"));
}

static void __attribute__((destructor)) finish(void)
{
	is_inside = 1;
	open_report();
	dprintf(report, "stacks %lu equal %lu cut %lu marked %lu different %lu\n", nr_stacks,
		nr_equal, nr_cut, nr_marked, nr_different);
}

/* Many programs end without destructors. */
void _exit(int status)
{
	finish();
	for (;;)
		syscall(SYS_exit_group, status);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * Functions that end the process, its program, or begin a child, and dlclose: what is in the ring
 * is written before the one, begun anew after the others. Each ends in the real function, errno is
 * the program's.
 *
 * A child by vfork runs in its parent's memory: what it does to the heap is its parent's, it is no
 * end of its parent's recording. It has a pid of its own, and that tells.
 */
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event.h"
#include "exec_env.h"
#include "fail.h"
#include "guard.h"
#include "lookup.h"
#include "os.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "shared.h"
#include "snapshot.h"
#include "stream.h"

#define EXPORT	      __attribute__((visibility("default")))
#define MAX_ARGUMENTS 65536u

/* A real function, looked up when it is first needed. */
#define REAL(type, name)                                          \
	static type real_##name(void)                             \
	{                                                         \
		static type function;                             \
                                                                  \
		if (!function)                                    \
			function = (type)lookup__function(#name); \
		return function;                                  \
	}

typedef void (*exit_fn)(int status);
typedef int (*any_exec_fn)(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, int flags);
typedef int (*spawn_fn)(pid_t *pid, const char *path, const void *actions, const void *attributes,
			char *const *argv, char *const *envp);
typedef pid_t (*fork_fn)(void);
typedef int (*close_fn)(void *library);

extern char **environ;

/* Writes what there is. False: there is nothing to do in this process, or it is not the one itself.
 */
static bool write_out(bool ended)
{
	enum guard_phase phase = guard_thread.phase;
	int saved = errno;
	bool own;

	if (!process__hooks())
		return false;
	own = os__pid() == recorder.pid;
	guard__set_phase(GUARD_INTERNAL);
	if (process__records())
		stream__finish(ended && own);
	else if (ended && own)
		snapshot__at_end();
	guard__set_phase(phase);
	errno = saved;
	return own;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static bool is_watched; /* a later end than that of the destructors will be told of */

#if defined(__GLIBC__) && !defined(__UCLIBC__)
static void at_end(void *unused)
{
	write_out(true);
}

/* As fail_exits.c has it. */
extern int register_end(uintptr_t function, uintptr_t data,
			uintptr_t library) __asm__("__cxa_atexit");
extern const char *gnu_get_libc_version(void) __attribute__((weak));

/* In glibc what a library registers while it is loaded, and as nobody's, is called after the
 * destructors of all: the last there is. The library may be in a program of musl's, though. */
void process__watch_end(void)
{
	is_watched = gnu_get_libc_version && !register_end((uintptr_t)at_end, 0, 0);
}
#else
/* Elsewhere destructors come last. */
void process__watch_end(void)
{
}
#endif

__attribute__((destructor)) static void end(void)
{
	write_out(!is_watched);
}

static void exit_group(int status)
{
	syscall(SYS_exit_group, status);
}

static __attribute__((noreturn)) void leave(exit_fn real, int status)
{
	write_out(true);
	if (real)
		real(status);
	for (;;)
		exit_group(status);
}

#define EXIT(name)                                          \
	REAL(exit_fn, name)                                 \
	EXPORT void hook_##name(int status) __asm__(#name); \
	void hook_##name(int status)                        \
	{                                                   \
		leave(real_##name(), status);               \
	}

EXIT(_exit)
EXIT(_Exit)
/* What its handlers do comes after the end: the call behind them is the C library's own. */
EXIT(quick_exit)

REAL(exit_fn, abort)
EXPORT void hook_abort(void) __asm__("abort");
void hook_abort(void)
{
	write_out(false);
	if (real_abort())
		real_abort()(0);
	for (;;)
		exit_group(134);
}

/* ---- another program --------------------------------------------------------------------------
 */

/* Whoever reads the ring learns what becomes of process pid (shared__exec). */
static void tell_exec(uint32_t pid, const char *path)
{
	enum guard_phase phase = guard_thread.phase;

	if (!recorder__is_shared() || !process__records())
		return;
	guard__set_phase(GUARD_INTERNAL);
	shared__exec(pid, path);
	guard__set_phase(phase);
}

static bool before_exec(const char *path)
{
	bool ended = write_out(true);

	tell_exec(os__pid(), path);
	return ended;
}

static int after_exec(bool ended)
{
	int saved = errno;

	tell_exec(os__pid(), NULL);
	if (ended && process__records())
		stream__resume();
	errno = saved;
	return -1;
}

/* The real function, or ENOSYS; it returns only when it has failed. What it does not take it does
 * not look at. what: the new program's path, or "". */
static int become(any_exec_fn real, const char *what, uintptr_t a, uintptr_t b, uintptr_t c,
		  uintptr_t d, int flags)
{
	bool ended = before_exec(what);

	errno = ENOSYS;
	if (real)
		real(a, b, c, d, flags);
	return after_exec(ended);
}

#define EXEC(name, what, parameters, a, b, c, d, flags)                                            \
	REAL(any_exec_fn, name)                                                                    \
	EXPORT int hook_##name parameters __asm__(#name);                                          \
	int hook_##name parameters                                                                 \
	{                                                                                          \
		return become(real_##name(), what, (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), \
			      (uintptr_t)(d), flags);                                              \
	}

EXEC(execve, path, (const char *path, char *const *argv, char *const *envp), path, argv,
     WITH_LIBRARY(envp), 0, 0)
EXEC(execvpe, path, (const char *path, char *const *argv, char *const *envp), path, argv,
     WITH_LIBRARY(envp), 0, 0)
EXEC(fexecve, "", (int fd, char *const *argv, char *const *envp), fd, argv, WITH_LIBRARY(envp), 0,
     0)
EXEC(execveat, *path == '/' ? path : "",
     (int fd, const char *path, char *const *argv, char *const *envp, int flags), fd, path, argv,
     WITH_LIBRARY(envp), flags)

EXPORT int hook_execv(const char *path, char *const *argv) __asm__("execv");
int hook_execv(const char *path, char *const *argv)
{
	return hook_execve(path, argv, environ);
}

REAL(any_exec_fn, execvp)
EXPORT int hook_execvp(const char *path, char *const *argv) __asm__("execvp");
int hook_execvp(const char *path, char *const *argv)
{
	if (real_execvpe())
		return hook_execvpe(path, argv, environ);
	return become(real_execvp(), path, (uintptr_t)path, (uintptr_t)argv, 0, 0, 0);
}

/* These do not end the recording, for they run in a child of their own: all they need is the
 * library. */
#if RECORDER_MAY_SHARE
static int spawn(spawn_fn real, pid_t *pid, const char *path, const void *actions,
		 const void *attributes, char *const *argv, char *const *envp)
{
	pid_t child = 0;
	int err;

	if (!real)
		return ENOSYS;
	err = real(&child, path, actions, attributes, argv, WITH_LIBRARY(envp));
	if (!err && pid)
		*pid = child;
	if (!err)
		tell_exec((uint32_t)child, path);
	return err;
}

#define SPAWN(name)                                                                                \
	REAL(spawn_fn, name)                                                                       \
	EXPORT int hook_##name(pid_t *pid, const char *path, const void *actions,                  \
			       const void *attributes, char *const *argv,                          \
			       char *const *envp) __asm__(#name);                                  \
	int hook_##name(pid_t *pid, const char *path, const void *actions, const void *attributes, \
			char *const *argv, char *const *envp)                                      \
	{                                                                                          \
		return spawn(real_##name(), pid, path, actions, attributes, argv, envp);           \
	}

SPAWN(posix_spawn)
SPAWN(posix_spawnp)
#endif

/* Those that list their arguments: as many as there are before the NULL, in an array on the stack.
 */
#define COLLECT(first, list, argv)                        \
	do {                                              \
		size_t nr_;                               \
                                                          \
		va_start(list, first);                    \
		nr_ = count(&list);                       \
		va_end(list);                             \
		argv = alloca((nr_ + 1) * sizeof(*argv)); \
		va_start(list, first);                    \
		collect(argv, first, &list, nr_);         \
	} while (0)

/* The first, and those that are in the list. */
static size_t count(va_list *list)
{
	size_t nr = 1;

	while (nr < MAX_ARGUMENTS && va_arg(*list, char *))
		nr++;
	return nr;
}

/* Up to and with the NULL. */
static void collect(char **argv, const char *first, va_list *list, size_t nr)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i < nr; i++)
		argv[i] = va_arg(*list, char *);
	va_arg(*list, char *);
	argv[nr] = NULL;
}

EXPORT int hook_execl(const char *path, const char *first, ...) __asm__("execl");
int hook_execl(const char *path, const char *first, ...)
{
	va_list list;
	char **argv;

	COLLECT(first, list, argv);
	va_end(list);
	return hook_execve(path, argv, environ);
}

EXPORT int hook_execlp(const char *path, const char *first, ...) __asm__("execlp");
int hook_execlp(const char *path, const char *first, ...)
{
	va_list list;
	char **argv;

	COLLECT(first, list, argv);
	va_end(list);
	return hook_execvp(path, argv);
}

EXPORT int hook_execle(const char *path, const char *first, ...) __asm__("execle");
int hook_execle(const char *path, const char *first, ...)
{
	char **argv, *const *envp;
	va_list list;

	COLLECT(first, list, argv);
	envp = va_arg(list, char *const *);
	va_end(list);
	return hook_execve(path, argv, envp);
}

/* ---- children, and libraries that go -----------------------------------------------------------
 */

REAL(fork_fn, fork)
EXPORT pid_t hook_fork(void) __asm__("fork");
pid_t hook_fork(void)
{
	pid_t pid;

	if (!real_fork()) {
		errno = ENOSYS;
		return -1;
	}
	guard_thread.fork = NULL;
	pid = real_fork()();
	if (pid && recorder__is_shared())
		shared__fork_returned(pid);
	if (!pid && process__hooks()) {
		int saved = errno;

		process__forked();
		errno = saved;
	}
	return pid;
}

REAL(close_fn, dlclose)
EXPORT int hook_dlclose(void *library) __asm__("dlclose");
int hook_dlclose(void *library)
{
	int status = real_dlclose() ? real_dlclose()(library) : -1;
	enum guard_phase phase = guard_thread.phase;

	if (process__hooks()) {
		guard__set_phase(GUARD_INTERNAL);
		event__unloaded();
		fail__unloaded();
		guard__set_phase(phase);
	}
	return status;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traces a child as strace does: waits until it has stopped itself, and then seizes it. Exits with 1
 * when the stop it was shown was not the child's own.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	volatile int *stops = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, stopped_itself;
	pid_t child = fork();

	if (!child) {
		usleep(50000);
		*stops = 1;
		raise(SIGSTOP);
		free(malloc(10));
		_exit(0);
	}
	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		return 2;
	stopped_itself = *stops;
	if (ptrace(PTRACE_SEIZE, child, 0, 0))
		return 3;
	kill(child, SIGCONT);
	if (ptrace(PTRACE_DETACH, child, 0, 0))
		kill(child, SIGCONT);
	alarm(10);
	while (waitpid(child, &status, 0) == child && !WIFEXITED(status))
		ptrace(PTRACE_CONT, child, 0, 0);
	return stopped_itself ? 0 : 1;
}

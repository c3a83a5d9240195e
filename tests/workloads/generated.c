/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls allocate through code it generates in memory, as a JIT compiler would: main,
 * call_generated, the code, allocate, malloc. Arguments: "memfd" has the memory come from a memfd;
 * "map" writes /tmp/perf-PID.map; "wait" says the code's address and waits for a byte, or the end
 * of input, before the call and after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NR_BLOCKS   5
#define BLOCK_BYTES 1234

typedef void *(*allocate_fn)(size_t bytes);
typedef void *(*generated_fn)(allocate_fn allocate, size_t bytes);

static void *volatile kept[NR_BLOCKS];

static __attribute__((noinline)) void *allocate(size_t bytes)
{
	return malloc(bytes);
}

static __attribute__((noinline)) void call_generated(generated_fn generated)
{
	for (int i = 0; i < NR_BLOCKS; i++)
		kept[i] = generated(allocate, BLOCK_BYTES);
}

static void *generate(int from_memfd)
{
	static const unsigned char code[] = {
		0x55,		  /* push %rbp */
		0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
		0x48, 0x89, 0xf8, /* mov %rdi,%rax */
		0x48, 0x89, 0xf7, /* mov %rsi,%rdi */
		0xff, 0xd0,	  /* call *%rax */
		0x5d,		  /* pop %rbp */
		0xc3,		  /* ret */
	};
	int fd = from_memfd ? memfd_create("twice", 0) : -1;
	void *memory;

	if (from_memfd && ftruncate(fd, 4096))
		abort();
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		      from_memfd ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (memory == MAP_FAILED)
		abort();
	return memcpy((char *)memory + 64, code, sizeof(code));
}

static void write_map(const void *code)
{
	char path[64], text[128];
	FILE *map;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	map = fopen(path, "w");
	if (!map)
		abort();
	snprintf(text, sizeof(text), "%lx 10 old_name\n%lx 10 jit_name\n", (unsigned long)code,
		 (unsigned long)code);
	fputs(text, map);
	fclose(map);
}

static int has(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return 1;
	return 0;
}

static void wait_for_byte(const char *said)
{
	char byte;

	if (write(1, said, strlen(said)) < 0 || read(0, &byte, 1) < 0)
		abort();
}

int main(int argc, char **argv)
{
	int waits = has(argc, argv, "wait");
	void *code = generate(has(argc, argv, "memfd"));
	char said[32];

	if (has(argc, argv, "map"))
		write_map(code);
	snprintf(said, sizeof(said), "%lx\n", (unsigned long)code);
	if (waits)
		wait_for_byte(said);
	call_generated((generated_fn)code);
	if (waits)
		wait_for_byte("done\n");
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * Four phases, 0.4 s each: 100 blocks of 1000 bytes, each freed at once; 10 blocks of 24 bytes that
 * stay; 10 blocks of 100000 bytes, all live at the phase's end and then freed; 5 blocks of 7 bytes
 * that stay, by another thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define PHASE_US 400000

static char *volatile kept[15];

__attribute__((noinline)) static char *allocate(size_t bytes)
{
	char *block = malloc(bytes);

	block[0] = 1;
	return block;
}

__attribute__((noinline)) static void churn(void)
{
	for (int i = 0; i < 100; i++)
		free(allocate(1000));
}

__attribute__((noinline)) static void keep(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = allocate(24);
}

__attribute__((noinline)) static void surge(void)
{
	char *blocks[10];

	for (int i = 0; i < 10; i++)
		blocks[i] = allocate(100000);
	usleep(PHASE_US);
	for (int i = 0; i < 10; i++)
		free(blocks[i]);
}

__attribute__((noinline)) static void *keep_more(void *unused)
{
	for (int i = 10; i < 15; i++)
		kept[i] = allocate(7);
	return unused;
}

int main(void)
{
	pthread_t thread;

	churn();
	usleep(PHASE_US);
	keep();
	usleep(PHASE_US);
	surge();
	usleep(PHASE_US);
	pthread_create(&thread, NULL, keep_more, NULL);
	pthread_join(thread, NULL);
	return 0;
}

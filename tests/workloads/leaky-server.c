/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small server for the demonstration, with the leaks servers have. Its clients are a thread of
 * its own at the other end of a socket pair: no network is involved. It leaks
 *   - the session of every fourth client: that one never logs out;
 *   - the path of every request for a page that is not there: the error path forgets it.
 * Its cache of pages is no leak, though a cache's blocks are live when one looks.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_A_SECOND 400
#define LIFETIME_SECONDS  600 /* of a server somebody forgot, too */
#define PAGES		  16

/* Without inlining the report shows the functions as they are written here. */
#define FUNCTION static __attribute__((noinline))

struct request {
	unsigned client;
	char verb[8];
	char path[64];
};

struct session {
	unsigned client;
	struct session *next;
	char cart[1000];
};

static struct session *sessions;
static char *page_cache[PAGES];

FUNCTION void session__open(unsigned client)
{
	struct session *session = malloc(sizeof(*session));

	if (!session)
		abort();
	memset(session, 0, sizeof(*session));
	session->client = client;
	session->next = sessions;
	sessions = session;
}

FUNCTION void session__close(unsigned client)
{
	for (struct session **link = &sessions; *link; link = &(*link)->next) {
		struct session *session = *link;

		if (session->client != client)
			continue;
		*link = session->next;
		free(session);
		return;
	}
}

FUNCTION char *copy_path(const char *path)
{
	char *copy = malloc(strlen(path) + 1);

	return copy ? strcpy(copy, path) : NULL;
}

/* A page is made anew now and then; the old one is freed. */
FUNCTION const char *render_page(unsigned number)
{
	char *page = malloc(4096);

	if (!page)
		abort();
	snprintf(page, 4096, "<h1>Page %u</h1>", number);
	free(page_cache[number]);
	page_cache[number] = page;
	return page;
}

FUNCTION bool get_page(const struct request *request)
{
	char *path = copy_path(request->path);
	unsigned number;

	if (!path || sscanf(path, "/page/%u", &number) != 1 || number >= PAGES)
		return false; /* here path is forgotten */
	render_page(number);
	free(path);
	return true;
}

FUNCTION void serve(const struct request *request)
{
	if (!strcmp(request->verb, "LOGIN"))
		session__open(request->client);
	else if (!strcmp(request->verb, "LOGOUT"))
		session__close(request->client);
	else
		get_page(request);
}

static void *run_clients(void *data)
{
	int server = *(int *)data;

	for (unsigned i = 0;; i++) {
		struct request request = { .client = i / 4 };
		static const char *const verbs[] = { "LOGIN", "GET", "GET", "LOGOUT" };

		snprintf(request.verb, sizeof(request.verb), "%s", verbs[i % 4]);
		snprintf(request.path, sizeof(request.path), "/page/%u", i % (PAGES + 3));
		if (i % 4 == 3 && request.client % 4 == 0)
			strcpy(request.verb, "GET"); /* gone without a word */
		if (write(server, &request, sizeof(request)) != sizeof(request))
			return NULL;
		usleep(1000000 / REQUESTS_A_SECOND);
	}
}

int main(void)
{
	struct request request;
	pthread_t clients;
	int ends[2];

	alarm(LIFETIME_SECONDS);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) ||
	    pthread_create(&clients, NULL, run_clients, &ends[1]))
		return 1;
	while (read(ends[0], &request, sizeof(request)) == sizeof(request))
		serve(&request);
	return 0;
}

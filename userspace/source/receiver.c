// SPDX-License-Identifier: BSD-2-Clause
#include "source/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listen.h"
#include "base/log.h"
#include "base/util.h"
#include "source/intake.h"

/* How often it looks up from waiting, for the progress line and Ctrl-C. */
#define NAP_MS	    200
#define PROGRESS_NS (NSEC_PER_SEC / 4)
/* A sender that has sent nothing for so long is counted as idle. */
#define IDLE_NS (10 * NSEC_PER_SEC)
/* At the end, what has arrived already is still taken, for so long at most. */
#define LAST_NS (NSEC_PER_SEC / 2)
/* Bytes taken from one sender before the next has its turn. */
#define TURN_BYTES (256u << 10)

struct sender {
	int fd;
	struct intake *intake;
	uint64_t heard_ns;
	char shown[LISTEN_SHOWN];
};

struct receiver {
	const struct receiver_config *config;
	int folder;
	struct sender senders[RECEIVER_MAX_STREAMS];
	size_t nr_senders;
	uint64_t nr_accepted, nr_received, nr_refused, bytes;
	uint64_t shown_ns, refused_ns;
	bool full; /* no descriptors are left: who waits is let wait */
	uint8_t buffer[TURN_BYTES];
};

/* How a stream ended, on stderr; name: of the file; NULL: there is none. */
static void report(const struct sender *sender, const char *path, const char *how)
{
	uint64_t bytes = intake__bytes(sender->intake);

	if (path)
		log_warn("%s: %" PRIu64 " bytes from %s; the stream %s.", path, bytes,
			 sender->shown, how);
	else
		log_warn("Nothing is kept of %" PRIu64 " bytes from %s: the stream %s.", bytes,
			 sender->shown, how);
}

/* Ends a stream and takes the last sender into its place. how: what happened to the connection. */
static void end_sender(struct receiver *self, struct sender *sender, bool stopped, const char *how)
{
	const char *folder = self->config->folder;
	const char *name = intake__finish(sender->intake, stopped);
	const char *reason = intake__reason(sender->intake);
	char *path = name && folder ? xasprintf("%s/%s", folder, name)
		     : name	    ? xstrdup(name)
				    : NULL;

	report(sender, path, reason ? reason : how);
	if (path) {
		self->nr_received++;
		self->config->received(path, intake__is_converted(sender->intake),
				       self->config->data);
	}
	self->bytes += intake__bytes(sender->intake);
	free(path);
	intake__free(sender->intake);
	close(sender->fd);
	*sender = self->senders[--self->nr_senders];
}

/* What a sender has sent, as far as it is its turn. False: it has ended. */
static bool take_turn(struct receiver *self, struct sender *sender)
{
	ssize_t got = recv(sender->fd, self->buffer, sizeof(self->buffer), MSG_DONTWAIT);
	char how[128];

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got < 0) {
		snprintf(how, sizeof(how), "was broken off: %s", strerror(errno));
		end_sender(self, sender, false, how);
		return false;
	}
	if (!got) {
		end_sender(self, sender, false, "was closed by its sender");
		return false;
	}
	sender->heard_ns = clock__monotonic_ns();
	if (intake__take(sender->intake, self->buffer, (size_t)got)) {
		end_sender(self, sender, false, NULL);
		return false;
	}
	return true;
}

/* Says so once a second at most: who knocks like mad is not to fill the terminal. */
static void refuse(struct receiver *self, int fd, const char *shown)
{
	uint64_t now_ns = clock__monotonic_ns();

	close(fd);
	if (!self->nr_refused++ || now_ns - self->refused_ns > NSEC_PER_SEC) {
		log_warn("%s is refused: %d streams are being received already.", shown,
			 RECEIVER_MAX_STREAMS);
		self->refused_ns = now_ns;
	}
}

static void accept_one(struct receiver *self, int listener)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct sender *sender;
	char shown[LISTEN_SHOWN];
	int on = 1;

	if (fd < 0) {
		self->full =
			errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
		return;
	}
	listen__shown(&address, shown);
	if (self->nr_senders == RECEIVER_MAX_STREAMS) {
		refuse(self, fd, shown);
		return;
	}
	/* A device that has lost its power is noticed in the end. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	log_info("%s begins to send.", shown);
	sender = &self->senders[self->nr_senders++];
	*sender = (struct sender){ .fd = fd, .heard_ns = clock__monotonic_ns() };
	sender->intake = intake__new(self->folder, self->config->max_bytes, ++self->nr_accepted);
	memcpy(sender->shown, shown, sizeof(shown));
}

static void show_progress(struct receiver *self, uint64_t now_ns)
{
	uint64_t bytes = self->bytes;
	size_t nr_idle = 0;

	if (now_ns - self->shown_ns < PROGRESS_NS)
		return;
	for (size_t i = 0; i < self->nr_senders; i++) {
		bytes += intake__bytes(self->senders[i].intake);
		nr_idle += now_ns - self->senders[i].heard_ns > IDLE_NS;
	}
	log__progress("%zu streams (%zu idle), %" PRIu64 " received, %" PRIu64
		      " bytes; Ctrl-C ends it",
		      self->nr_senders, nr_idle, self->nr_received, bytes);
	self->shown_ns = now_ns;
}

/* Waits for senders, old and new, and serves them all once. */
static void serve(struct receiver *self, int timeout_ms)
{
	const struct listeners *listeners = self->config->listeners;
	struct pollfd fds[RECEIVER_MAX_STREAMS + LISTEN_MAX];
	size_t nr_senders = self->nr_senders, nr = 0;

	for (size_t i = 0; i < nr_senders; i++)
		fds[nr++] = (struct pollfd){ .fd = self->senders[i].fd, .events = POLLIN };
	for (size_t i = 0; i < listeners->nr && !self->full; i++)
		fds[nr++] = (struct pollfd){ .fd = listeners->fds[i], .events = POLLIN };
	self->full = false;
	if (poll(fds, nr, timeout_ms) <= 0)
		return;
	/* From the end: one that ends is replaced by one that has been served. */
	for (size_t i = nr_senders; i-- > 0;)
		if (fds[i].revents)
			take_turn(self, &self->senders[i]);
	for (size_t i = nr_senders; i < nr; i++)
		if (fds[i].revents)
			accept_one(self, fds[i].fd);
}

static bool is_over(const struct receiver *self, uint64_t now_ns, uint64_t begun_ns)
{
	const struct receiver_config *config = self->config;

	return config->interrupted() ||
	       (config->nr_wanted && self->nr_received >= config->nr_wanted) ||
	       (config->duration_ns && now_ns - begun_ns >= config->duration_ns);
}

/* Ends all streams that have not ended themselves. */
static void end_all(struct receiver *self)
{
	uint64_t until_ns = clock__monotonic_ns() + LAST_NS;

	while (self->nr_senders) {
		struct sender *sender = &self->senders[self->nr_senders - 1];
		struct pollfd wanted = { .fd = sender->fd, .events = POLLIN };
		bool goes_on = true;

		while (goes_on && clock__monotonic_ns() < until_ns && poll(&wanted, 1, 0) > 0)
			goes_on = take_turn(self, sender);
		if (goes_on)
			end_sender(self, sender, true, "was stopped here");
	}
}

int receiver__run(const struct receiver_config *config)
{
	uint64_t begun_ns = clock__monotonic_ns(), now_ns = begun_ns;
	const char *folder = config->folder ? config->folder : ".";
	struct receiver *self = xcalloc(1, sizeof(*self));

	self->config = config;
	self->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->folder < 0) {
		int err = -errno;

		log_err("The folder %s cannot be opened: %s. It must be there before.", folder,
			strerror(-err));
		free(self);
		return err;
	}
	while (!is_over(self, now_ns, begun_ns)) {
		serve(self, NAP_MS);
		now_ns = clock__monotonic_ns();
		show_progress(self, now_ns);
	}
	log__progress(NULL);
	end_all(self);
	if (self->nr_refused > 1)
		log_warn("%" PRIu64 " connections were refused in all.", self->nr_refused);
	close(self->folder);
	free(self);
	return 0;
}

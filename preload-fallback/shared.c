// SPDX-License-Identifier: BSD-2-Clause
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"
#include "modules.h"
#include "os.h"
#include "recorder.h"

#define CATALOGUE_BYTES (1u << 20)
#define FORKS_BYTES	(RING_FORK_SLOTS * (uint32_t)sizeof(struct ring_fork_slot))
/* Between two looks for room, and at whether the consumer lives. */
#define NAP_US	200
#define LOOK_NS (20 * NSEC_PER_MSEC)
/* At the end, for what guard.h suspects. */
#define FINISH_NS (50 * NSEC_PER_MSEC)
/* A consumer that reads, but not enough for this thread. */
#define MAX_WAITS 6
/* To hand the ring over, when many do so at once. */
#define OFFER_SECONDS 5

/* <linux/memfd.h>, <linux/fcntl.h>: old C libraries have neither. */
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC	  1u
#define MFD_ALLOW_SEALING 2u
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_SEAL_SEAL   1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW   4
#endif

static struct {
	size_t bytes;
	uint32_t stalled_at; /* the tail, where waiting was in vain; else 1, which no tail is */
	bool dead;	     /* nobody listens */
} shared = { .stalled_at = 1 };

static uint32_t ring_bytes(void)
{
	uint32_t bytes = RING_MIN_SIZE;

	while (bytes < recorder.config.memory_bytes && bytes < RING_MAX_SIZE)
		bytes *= 2;
	return bytes;
}

/* A sealed memfd of fresh memory, out of the way; -1. */
static int make_memory(void)
{
#ifdef SYS_memfd_create
	int fd = (int)syscall(SYS_memfd_create, "heaptap", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (!ftruncate(fd, (off_t)shared.bytes) &&
	    !os__fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW))
		return fd;
	close(fd);
#endif
	return -1;
}

/* What the consumer believes once. */
static void fill_header(struct ring *ring)
{
	uint32_t data = ring_bytes();

	ring->parent = recorder.parent;
	ring->starter = (uint32_t)getppid();
	ring->forks_offset = (uint32_t)sizeof(*ring) + data;
	ring->catalogue_offset = ring->forks_offset + FORKS_BYTES;
	ring->catalogue_size = CATALOGUE_BYTES;
	ring__init(ring, (uint32_t)sizeof(*ring) + data, recorder.pid);
}

static void *map_memory(int fd, void *at)
{
	void *memory = mmap(at, shared.bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* The descriptor it is handed over by. */
static int memory_fd = -1;

bool shared__init(void)
{
	shared.bytes = sizeof(struct ring) + ring_bytes() + FORKS_BYTES + CATALOGUE_BYTES;
	memory_fd = make_memory();
	if (memory_fd < 0)
		return false;
	recorder.ring = map_memory(memory_fd, NULL);
	if (!recorder.ring)
		return false;
	fill_header(recorder.ring);
	return true;
}

/* Of NAME/TOKEN: the token, and the address; 0: it is none. */
static socklen_t find_address(struct sockaddr_un *address, const char **token)
{
	const char *name = recorder.config.ring;
	size_t len = strcspn(name, "/");

	*token = name + len + 1;
	if (!name[len] || len >= sizeof(address->sun_path) || strlen(*token) != RING_TOKEN)
		return 0;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, name, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

/* A socket that is connected to the consumer; -ECONNREFUSED: there is none (any more). */
static int reach(const char **token)
{
	struct sockaddr_un address;
	socklen_t len = find_address(&address, token);
	int fd, err;

	if (!len)
		return -ECONNREFUSED;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool send_hello(int fd, const char *token, int memory)
{
	struct timeval patience = { .tv_sec = OFFER_SECONDS };
	struct ring_hello hello = { .magic = RING_MAGIC, .version = RING_VERSION };
	struct iovec part = { &hello, sizeof(hello) };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message;
	ssize_t done;

	memcpy(hello.token, token, RING_TOKEN);
	memset(&control, 0, sizeof(control));
	memset(&message, 0, sizeof(message));
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &memory, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do {
		done = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (done < 0 && errno == EINTR);
	return done == sizeof(hello);
}

bool shared__offer(void)
{
	const char *token;
	int saved = errno;
	bool sent = false;
	int fd = memory_fd < 0 ? -1 : reach(&token);

	if (fd >= 0) {
		sent = send_hello(fd, token, memory_fd);
		close(fd);
	}
	/* Nothing is left open that the program could close, and get the number of. */
	if (memory_fd >= 0)
		close(memory_fd);
	memory_fd = -1;
	shared.dead = !sent;
	errno = saved;
	return sent;
}

bool shared__is_closed(void)
{
	return shared.dead ||
	       __atomic_load_n(&recorder.ring->flags, __ATOMIC_RELAXED) & RING_CLOSED;
}

static void look_for_consumer(void)
{
	const char *token;
	int fd = reach(&token);

	if (fd >= 0)
		close(fd);
	shared.dead = fd == -ECONNREFUSED;
}

static uint32_t tail(void)
{
	return __atomic_load_n(&recorder.ring->tail, __ATOMIC_RELAXED);
}

void *shared__wait_for_room(uint32_t bytes, struct ring_claim *claim)
{
	const uint64_t patience_ns = recorder.config.wait_ms * NSEC_PER_MSEC;
	uint64_t now_ns = os__monotonic_ns(), last_ns = now_ns + MAX_WAITS * patience_ns;
	uint64_t deadline_ns = now_ns + patience_ns, look_ns = now_ns + LOOK_NS;
	uint32_t seen = tail();
	int saved = errno;
	void *at = NULL;

	while (seen != shared.stalled_at && now_ns < deadline_ns && now_ns < last_ns) {
		if (now_ns >= look_ns) {
			look_for_consumer();
			look_ns = now_ns + LOOK_NS;
		}
		if (shared__is_closed())
			break;
		os__sleep_us(NAP_US);
		if (guard_thread.nr_suspects)
			guard__check_suspects();
		at = ring__reserve(recorder.ring, bytes, claim);
		if (at)
			break;
		now_ns = os__monotonic_ns();
		if (tail() != seen)
			deadline_ns = now_ns + patience_ns;
		seen = tail();
	}
	if (!at)
		shared.stalled_at = seen;
	errno = saved;
	return at;
}

void shared__finish(void)
{
	uint64_t last_ns = os__monotonic_ns() + FINISH_NS;

	while (guard_thread.nr_suspects && os__monotonic_ns() < last_ns) {
		os__sleep_us(NAP_US);
		guard__check_suspects();
	}
}

static struct ring_fork_slot *slot_of(uint32_t number)
{
	uint8_t *slots = (uint8_t *)recorder.ring + recorder.ring->forks_offset;

	return (struct ring_fork_slot *)(void *)slots + number % RING_FORK_SLOTS;
}

void shared__before_fork(void)
{
	struct ring_fork *fork;
	uint32_t slot;

	guard_thread.fork = NULL;
	if (shared__is_closed())
		return;
	fork = ring__reserve(recorder.ring, sizeof(*fork), NULL);
	if (!fork)
		fork = shared__wait_for_room(sizeof(*fork), NULL);
	if (!fork)
		return;
	slot = __atomic_fetch_add(&recorder.ring->nr_forks, 1, __ATOMIC_RELAXED);
	guard_thread.fork = slot_of(slot);
	guard_thread.fork->child = guard_thread.fork->done = 0;
	fork->head.pid = recorder.pid;
	fork->time_ns = os__monotonic_ns();
	fork->slot = slot % RING_FORK_SLOTS;
	ring__commit(fork, RING_FORK, sizeof(*fork));
}

void shared__after_fork(void)
{
	if (guard_thread.fork)
		__atomic_store_n(&guard_thread.fork->done, RING_FORK_OVER, __ATOMIC_RELEASE);
}

void shared__fork_returned(int32_t pid)
{
	struct ring_fork_slot *slot = guard_thread.fork;

	guard_thread.fork = NULL;
	if (slot && pid > 0)
		__atomic_store_n(&slot->child, (uint32_t)pid, __ATOMIC_RELEASE);
	else if (slot)
		__atomic_store_n(&slot->done, RING_FORK_FAILED, __ATOMIC_RELEASE);
}

/* Absolute, where it is a path at all and not a name; its length. */
static uint32_t absolute_path(char *to, const char *path)
{
	bool is_relative = *path != '/' && strchr(path, '/');
	size_t len = 0, more;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	more = strlen(path);
	if (is_relative && getcwd(to, RING_EXEC_PATH - 1)) {
		len = strlen(to);
		to[len++] = '/';
	}
	if (more > RING_EXEC_PATH - len)
		return 0;
	memcpy(to + len, path, more);
	return (uint32_t)(len + more);
}

void shared__exec(uint32_t pid, const char *path)
{
	char absolute[RING_EXEC_PATH];
	struct ring_exec *record;
	int saved = errno;
	uint32_t len = path ? absolute_path(absolute, path) : 0;
	uint32_t size = WIRE_PAD8((uint32_t)sizeof(*record) + len);

	if (!shared__is_closed()) {
		record = ring__reserve(recorder.ring, size, NULL);
		if (!record)
			record = shared__wait_for_room(size, NULL);
		if (record) {
			record->head.pid = recorder.pid;
			record->pid = pid;
			record->flags = path ? 0 : RING_EXEC_FAILED;
			record->path_len = len;
			memcpy(record + 1, absolute, len);
			ring__commit(record, RING_EXEC, (uint16_t)size);
		}
	}
	errno = saved;
}

bool shared__forked(void)
{
	int saved = errno;
	void *memory = NULL;

	if (guard_thread.fork)
		__atomic_store_n(&guard_thread.fork->child, recorder.pid, __ATOMIC_RELEASE);
	guard_thread.fork = NULL;
	memory_fd = shared__is_closed() ? -1 : make_memory();
	if (memory_fd >= 0)
		memory = map_memory(memory_fd, recorder.ring);
	/* Its parent's is not to be touched any more, whatever becomes of this one. */
	if (!memory)
		memory = mmap(recorder.ring, shared.bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	shared.stalled_at = 1;
	if (memory != MAP_FAILED)
		fill_header(recorder.ring);
	errno = saved;
	return memory_fd >= 0;
}

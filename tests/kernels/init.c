// SPDX-License-Identifier: BSD-2-Clause
/*
 * The first process of a guest of scripts/kernel-vm: loads the modules it was given, makes the
 * host's files its root (9p below, a tmpfs above, so that all can be written and nothing stays),
 * runs one command and tells how it ended.
 *
 * What it finds in the initramfs, each a list of strings that end in '\0': /order (modules),
 * /shares (tag and path of folders that are written through), /environment, /command; and /folder,
 * where the command starts. What it tells the host, by ports of a virtio console: what the command
 * writes to stdout and stderr, and its exit status as a line. Complaints go to the console.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_WORDS     4096
#define PORT_TRIES    1000 /* of 10 ms */
/* What left children of the command still write is waited for until it is quiet for so long. */
#define QUIET_MS      200
#define DRAIN_S       3
#define REAP_MS       20
#define CANNOT_RUN    127

struct words {
	char *at[MAX_WORDS + 1];
	int nr;
};

struct filesystem {
	const char *source, *target, *type, *options;
};

/* In the guest's root; those a kernel has not are left out. */
static const struct filesystem filesystems[] = {
	{ "proc", "/proc", "proc", NULL },
	{ "sys", "/sys", "sysfs", NULL },
	{ "dev", "/dev", "devtmpfs", NULL },
	{ "devpts", "/dev/pts", "devpts", "ptmxmode=666" },
	{ "shm", "/dev/shm", "tmpfs", "mode=1777" },
	{ "run", "/run", "tmpfs", "mode=755" },
	{ "cgroup", "/sys/fs/cgroup", "cgroup2", NULL },
	{ "bpf", "/sys/fs/bpf", "bpf", NULL },
	{ "debug", "/sys/kernel/debug", "debugfs", NULL },
	{ "trace", "/sys/kernel/tracing", "tracefs", NULL },
	{ "security", "/sys/kernel/security", "securityfs", NULL },
};

static _Noreturn void give_up(const char *what, const char *on)
{
	printf("kernel-vm: %s %s: %s\n", what, on, strerror(errno));
	fflush(stdout);
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1); /* the kernel panics, and that ends the machine as well */
}

static void mount_or_give_up(const struct filesystem *fs, unsigned long flags)
{
	mkdir(fs->target, 0755);
	if (mount(fs->source, fs->target, fs->type, flags, fs->options) < 0)
		give_up("cannot mount", fs->target);
}

/* The strings in a file; they stay for good. */
static void read_words(const char *path, struct words *words)
{
	struct stat status;
	int fd = open(path, O_RDONLY);
	size_t at = 0;
	ssize_t got;
	char *text;

	if (fd < 0 || fstat(fd, &status) < 0)
		give_up("cannot read", path);
	text = calloc(1, (size_t)status.st_size + 1);
	while (text && at < (size_t)status.st_size &&
	       (got = read(fd, text + at, (size_t)status.st_size - at)) > 0)
		at += (size_t)got;
	close(fd);
	words->nr = 0;
	for (size_t i = 0; i < at && words->nr < MAX_WORDS; i += strlen(text + i) + 1)
		words->at[words->nr++] = text + i;
	words->at[words->nr] = NULL;
}

static void load_modules(void)
{
	static struct words order;
	char path[256];

	read_words("/order", &order);
	for (int i = 0; i < order.nr; i++) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", order.at[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			give_up("cannot load", path);
		close(fd);
	}
}

/* The host's files below a tmpfs, and the folders of it that are written through. */
static void make_root(void)
{
	static struct words shares;
	char target[4096];

	mount_or_give_up(&(struct filesystem){ "root", "/host", "9p",
			 "trans=virtio,version=9p2000.L,cache=loose,msize=512000" }, MS_RDONLY);
	mount_or_give_up(&(struct filesystem){ "above", "/above", "tmpfs", "mode=755" }, 0);
	mkdir("/above/upper", 0755);
	mkdir("/above/work", 0755);
	mount_or_give_up(&(struct filesystem){ "root", "/root", "overlay",
			 "lowerdir=/host,upperdir=/above/upper,workdir=/above/work" }, 0);
	read_words("/shares", &shares);
	for (int i = 0; i + 1 < shares.nr; i += 2) {
		snprintf(target, sizeof(target), "/root%s", shares.at[i + 1]);
		mount_or_give_up(&(struct filesystem){ shares.at[i], target, "9p",
				 "trans=virtio,version=9p2000.L,cache=loose,msize=512000" }, 0);
	}
}

static void enter_root(void)
{
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		give_up("cannot enter", "/root");
	for (size_t i = 0; i < ARRAY_SIZE(filesystems); i++) {
		const struct filesystem *fs = &filesystems[i];

		mkdir(fs->target, 0755);
		mount(fs->source, fs->target, fs->type, 0, fs->options);
	}
	/* As a system's own start would have done. */
	(void)!symlink("/proc/self/fd", "/dev/fd");
	(void)!symlink("/proc/self/fd/0", "/dev/stdin");
	(void)!symlink("/proc/self/fd/1", "/dev/stdout");
	(void)!symlink("/proc/self/fd/2", "/dev/stderr");
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &request);
		close(fd);
	}
}

/* Is that port the one that the host gave this name? */
static int is_port(const char *port, const char *name)
{
	char path[300], found[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", port);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(found, sizeof(found), file))
		found[strcspn(found, "\n")] = '\0';
	fclose(file);
	return !strcmp(found, name);
}

static int find_port(const char *name)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char path[300];
	int fd = -1;

	while (ports && fd < 0 && (entry = readdir(ports))) {
		if (entry->d_name[0] == '.' || !is_port(entry->d_name, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (ports)
		closedir(ports);
	return fd;
}

/* Devices may come some time after their driver. */
static int open_port(const char *name)
{
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		int fd = find_port(name);

		if (fd >= 0)
			return fd;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	give_up("cannot reach the host's port", name);
}

static void write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return;
		text += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
}

/* Takes what a pipe has to its port. False: it has ended. */
static int relay(struct pollfd *pipe, int port)
{
	char text[65536];
	ssize_t got;

	if (!(pipe->revents & (POLLIN | POLLHUP | POLLERR)))
		return 1;
	got = read(pipe->fd, text, sizeof(text));
	if (got > 0)
		write_all(port, text, (size_t)got);
	else if (got == 0 || errno != EINTR)
		pipe->fd = -1;
	return pipe->fd >= 0;
}

static _Noreturn void run_command(const struct words *command, const struct words *folder,
				  int out, int err)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	close(null);
	if (folder->nr < 1 || chdir(folder->at[0]) < 0)
		fprintf(stderr, "kernel-vm: the guest has no folder %s\n", folder->at[0]);
	else
		execvp(command->at[0], command->at);
	fprintf(stderr, "kernel-vm: cannot run %s: %s\n", command->at[0], strerror(errno));
	_exit(CANNOT_RUN);
}

/* Takes the dead away; true once the command is among them. */
static int reap(pid_t command, int *status)
{
	int how, ended = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		if (pid == command) {
			*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
			ended = 1;
		}
	}
	return ended;
}

/* Runs it to its end, all it says goes to the ports; its exit status as a shell shows it. */
static int watch_command(pid_t command, int out, int err, int out_port, int err_port)
{
	struct pollfd pipes[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	int status = CANNOT_RUN, has_ended = 0;
	struct timespec deadline = { 0 }, now;

	for (;;) {
		int nr = poll(pipes, 2, has_ended ? QUIET_MS : REAP_MS);

		if (nr > 0) {
			relay(&pipes[0], out_port);
			relay(&pipes[1], err_port);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (has_ended && (nr == 0 || (pipes[0].fd < 0 && pipes[1].fd < 0) ||
				  now.tv_sec > deadline.tv_sec))
			return status;
		if (reap(command, &status)) {
			has_ended = 1;
			deadline.tv_sec = now.tv_sec + DRAIN_S;
		}
	}
}

int main(void)
{
	static struct words command, folder, environment;
	int out[2], err[2], out_port, err_port, status_port;
	char line[32];
	pid_t pid;

	read_words("/command", &command);
	read_words("/folder", &folder);
	read_words("/environment", &environment);
	mount_or_give_up(&filesystems[2], 0);
	load_modules();
	make_root();
	enter_root();
	raise_loopback();
	out_port = open_port("out");
	err_port = open_port("err");
	status_port = open_port("status");
	clearenv();
	for (int i = 0; i < environment.nr; i++)
		putenv(environment.at[i]);
	if (command.nr < 1 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		give_up("cannot start", "the command");
	if (pid == 0)
		run_command(&command, &folder, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	snprintf(line, sizeof(line), "%d\n",
		 watch_command(pid, out[0], err[0], out_port, err_port));
	sync();
	write_all(status_port, line, strlen(line));
	/* The host ends the machine when it has read that. */
	sleep(30);
	reboot(RB_AUTOBOOT);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "source/engine.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "follow_abi.h"
#include "inject_abi.h"
#include "heaptap.skel.h"
#include "probe/trial.h"
#include "source/inject.h"

/* Of a verifier's log, which may be a million lines, the end says what was wrong. */
#define MAX_LOG_LINES 20

static const char *last_lines(const char *text, size_t nr_lines)
{
	const char *at = text + strlen(text);

	while (at > text && (at[-1] != '\n' || !at[0] || nr_lines-- > 0))
		at--;
	return at;
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text, *line, *rest = NULL;
	const char *end;

	if (log__level() < LOG_DEBUG || level == LIBBPF_DEBUG || vasprintf(&text, format, args) < 0)
		return 0;
	end = last_lines(text, MAX_LOG_LINES);
	log_debug("%.*s%s", (int)strcspn(text, "\n"), text, end > text ? " [...]" : "");
	line = strtok_r(text + (end - text), "\n", &rest);
	if (end == text && line)
		line = strtok_r(NULL, "\n", &rest);
	for (; line; line = strtok_r(NULL, "\n", &rest))
		log_debug("  %s", line);
	free(text);
	return 0;
}

/* Enough for 2048 processes, most of which need two; 16 MiB. */
#define MANY_RANGE_BLOCKS 4096

/* Which programs a kind of link needs, and how they must be loaded. */
static void choose_programs(struct heaptap_bpf *skeleton, enum link_kind kind)
{
	struct {
		struct bpf_program *program;
		bool needed;
	} uses[] = {
		{ skeleton->progs.session, kind == LINK_SESSION },
		{ skeleton->progs.enter, kind != LINK_SESSION },
		{ skeleton->progs.leave, kind != LINK_SESSION },
	};
	enum bpf_attach_type type = (enum bpf_attach_type)link_kind__attach_type(kind);

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		bpf_program__set_autoload(uses[i].program, uses[i].needed);
		bpf_program__set_expected_attach_type(uses[i].program, type);
	}
}

static void unload(struct engine *engine)
{
	ring__close(&engine->ring);
	if (engine->exec_link >= 0)
		close(engine->exec_link);
	if (engine->fork_link >= 0)
		close(engine->fork_link);
	if (engine->exit_link >= 0)
		close(engine->exit_link);
	engine->exec_link = engine->fork_link = engine->exit_link = -1;
	unwind_tables__close(&engine->tables);
	unwind_slots__close(&engine->slots);
	inject__free(engine->inject);
	engine->inject = NULL;
	heaptap_bpf__destroy(engine->skeleton);
	engine->skeleton = NULL;
}

static int open_tables(struct engine *engine)
{
	struct heaptap_bpf *skeleton = engine->skeleton;
	struct unwind_map_fds fds = {
		.modules = bpf_map__fd(skeleton->maps.unwind_modules),
		.rules = bpf_map__fd(skeleton->maps.unwind_rules),
		.chunks = bpf_map__fd(skeleton->maps.unwind_chunks),
	};

	int err = unwind_tables__open(&engine->tables, &fds);

	return err ? err
		   : unwind_slots__open(&engine->slots, bpf_map__fd(skeleton->maps.processes),
					bpf_map__fd(skeleton->maps.unwind_ranges),
					bpf_map__max_entries(skeleton->maps.unwind_ranges));
}

/* Before the programs are loaded: without it the verifier never sees what writes registers. */
static void prepare_injection(struct heaptap_bpf *skeleton, const struct inject_config *config)
{
	if (!config)
		return;
	skeleton->rodata->cfg_inject = true;
	skeleton->rodata->cfg_inject_rules = config->rules;
	skeleton->rodata->cfg_inject_rules.only = config->nr_only != 0;
	if (config->rules.paths)
		bpf_map__set_max_entries(skeleton->maps.inject_paths, INJECT_MAX_PATHS);
}

static int load_kind(struct engine *engine, enum link_kind kind)
{
	struct heaptap_bpf *skeleton = heaptap_bpf__open();
	uint64_t seed;
	int err;

	if (!skeleton)
		return -errno;
	engine->skeleton = skeleton;
	engine->kind = kind;
	choose_programs(skeleton, kind);
	bpf_map__set_max_entries(skeleton->maps.ring, (uint32_t)engine->config.ring_bytes);
	if (engine->config.many)
		bpf_map__set_max_entries(skeleton->maps.unwind_ranges, MANY_RANGE_BLOCKS);
	skeleton->rodata->cfg_wake_bytes = engine->config.ring_bytes / 8;
	skeleton->rodata->cfg_stop_bytes =
		engine->config.lossless ? engine->config.ring_bytes / 2 : 0;
	/* Walks may be shipped as long as ordinary records have room: in lossless mode the target
	 * stops before that ends. */
	skeleton->rodata->cfg_walk_bytes =
		engine->config.ring_bytes / 4 * (engine->config.lossless ? 3 : 1);
	skeleton->rodata->cfg_own_tgid = (uint32_t)getpid();
	skeleton->rodata->cfg_plain_loop = engine->config.plain_loop;
	skeleton->rodata->cfg_free_stacks = engine->config.free_stacks;
	skeleton->rodata->cfg_check_stacks = engine->config.check_stacks;
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		skeleton->rodata->cfg_hash_seed = seed;
	prepare_injection(skeleton, engine->config.inject);
	err = heaptap_bpf__load(skeleton);
	if (!err)
		err = ring__open(&engine->ring, bpf_map__fd(skeleton->maps.ring),
				 engine->config.ring_bytes);
	if (!err)
		err = open_tables(engine);
	if (err) {
		unload(engine);
		return err;
	}
	if (engine->config.inject)
		engine->inject = inject__new(engine->config.inject,
					     bpf_map__fd(skeleton->maps.inject_ranges),
					     &skeleton->bss->inject_view);
	engine->programs = (struct link_programs){
		.session = bpf_program__fd(skeleton->progs.session),
		.enter = bpf_program__fd(skeleton->progs.enter),
		.leave = bpf_program__fd(skeleton->progs.leave),
	};
	engine->exec_link = bpf_raw_tracepoint_open("sched_process_exec",
						    bpf_program__fd(skeleton->progs.exec_done));
	engine->exit_link = bpf_raw_tracepoint_open("sched_process_exit",
						    bpf_program__fd(skeleton->progs.exit_begun));
	engine->fork_link =
		bpf_raw_tracepoint_open(NULL, bpf_program__fd(skeleton->progs.fork_done));
	log_debug("BPF programs for %s links are loaded.", link_kind__name(kind));
	return 0;
}

/* Older multi links let only a process's first thread through (fixed by Linux 46ba0e49b642). */
static bool kind_is_sound(enum link_kind kind)
{
	return kind != LINK_MULTI || trial__multi_sees_threads();
}

/* Loads the programs of a kind and tries them on a function of our own. That link stays: taking it
 * away would cost more than having it. */
static int try_kind(struct engine *engine, enum link_kind kind)
{
	struct probe_site site = trial__own_site();
	int err;

	if (!kind_is_sound(kind))
		return -EOPNOTSUPP;
	err = load_kind(engine, kind);
	if (err)
		return err;
	err = links__attach(&engine->own_links, kind, &engine->programs, "/proc/self/exe", getpid(),
			    0, &site, 1);
	if (err)
		unload(engine);
	return err;
}

static int try_kinds(struct engine *engine)
{
	const char *wanted = engine->config.link_kind;
	int err = -EOPNOTSUPP;

	for (enum link_kind kind = 0; kind < NR_LINK_KINDS; kind++) {
		if (wanted && strcmp(wanted, link_kind__name(kind)))
			continue;
		err = try_kind(engine, kind);
		if (!err)
			return 0;
		log_debug("%s links are not to be had here: %s.", link_kind__name(kind),
			  strerror(-err));
	}
	return err;
}

/* What is missing, as far as it can be told; one sentence. */
static void say_why_refused(enum log_level level, int err)
{
	bool can_link = false;
	struct utsname name;

	for (enum link_kind kind = 0; !can_link && kind < NR_LINK_KINDS; kind++)
		can_link = !trial__link_kind(kind);
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log__print(level,
			   "This kernel has no BTF (/sys/kernel/btf/vmlinux): it was built without "
			   "CONFIG_DEBUG_INFO_BTF, and heaptap's BPF programs cannot be fitted to "
			   "it.");
	else if (!can_link && !uname(&name))
		log__print(level,
			   "This kernel (Linux %s) cannot tell BPF programs which probe has called "
			   "them, which heaptap needs: use Linux 5.15 or newer with "
			   "CONFIG_UPROBE_EVENTS, or start the command by heaptap with --engine "
			   "preload.",
			   name.release);
	else
		log__print(level,
			   "The kernel did not take the BPF programs: %s. Run `heaptap doctor`, or "
			   "this again with -vv, to see why.",
			   strerror(-err));
}

int engine__open(struct engine *engine, const struct bpf_source_config *config)
{
	enum log_level level = config->optional ? LOG_INFO : LOG_ERROR;
	uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
	int err;

	while (size < config->ring_bytes && size < 1u << 31)
		size *= 2;
	*engine = (struct engine){
		.config = *config, .exec_link = -1, .fork_link = -1, .exit_link = -1
	};
	engine->config.ring_bytes = size;
	libbpf_set_print(print_libbpf);
	err = try_kinds(engine);
	if (!err)
		return 0;
	say_why_refused(level, err);
	return err;
}

void engine__close(struct engine *engine)
{
	links__detach(&engine->own_links);
	unload(engine);
}

int engine__attach(struct engine *engine, struct links *links, const char *path, pid_t pid,
		   uint32_t slot, const struct probe_site *sites, size_t nr_sites)
{
	return links__attach(links, engine->kind, &engine->programs, path, pid, slot, sites,
			     nr_sites);
}

void engine__watch(struct engine *engine)
{
	__atomic_store_n(&engine->skeleton->bss->watching, 1, __ATOMIC_SEQ_CST);
}

void engine__unwatch(struct engine *engine)
{
	__atomic_store_n(&engine->skeleton->bss->watching, 0, __ATOMIC_SEQ_CST);
}

int engine__followed_fd(const struct engine *engine)
{
	return bpf_map__fd(engine->skeleton->maps.followed);
}

int engine__processes_fd(const struct engine *engine)
{
	return bpf_map__fd(engine->skeleton->maps.processes);
}

int engine__follow(struct engine *engine, pid_t pid, uint32_t slot, uint32_t flags)
{
	struct followed value = { .slot = slot, .flags = flags };
	uint32_t key = (uint32_t)pid;

	return bpf_map_update_elem(engine__followed_fd(engine), &key, &value, BPF_ANY) ? -errno : 0;
}

static struct followed lookup_followed(const struct engine *engine, pid_t pid)
{
	struct followed value = { 0 };
	uint32_t key = (uint32_t)pid;

	bpf_map_lookup_elem(engine__followed_fd(engine), &key, &value);
	return value;
}

uint32_t engine__follow_flags(const struct engine *engine, pid_t pid)
{
	return lookup_followed(engine, pid).flags;
}

uint32_t engine__exit_status(const struct engine *engine, pid_t pid)
{
	return lookup_followed(engine, pid).exit_status;
}

void engine__forget(struct engine *engine, pid_t pid)
{
	uint32_t key = (uint32_t)pid;

	bpf_map_delete_elem(engine__followed_fd(engine), &key);
}

struct engine_counts engine__counts(const struct engine *engine)
{
	const struct heaptap_bpf__bss *bss = engine->skeleton->bss;

	return (struct engine_counts){ .stacks = bss->last_stack_id,
				       .not_kept = bss->nr_stacks_not_kept,
				       .cut = bss->nr_unfinished[UNWIND_CUT],
				       .gap = bss->nr_unfinished[UNWIND_GAP],
				       .lost = bss->nr_unfinished[UNWIND_LOST] };
}

void engine__inject_counts(const struct engine *engine, struct inject_counts *counts)
{
	const volatile struct heaptap_bpf__bss *bss = engine->skeleton->bss;

	*counts = (struct inject_counts){ .failed = bss->nr_injected,
					  .survived = bss->nr_inject_survived,
					  .unknown = bss->nr_inject_unknown,
					  .no_room = bss->nr_inject_no_room };
}

uint64_t engine__nr_lost(const struct engine *engine)
{
	return __atomic_load_n(&engine->skeleton->bss->nr_lost, __ATOMIC_RELAXED);
}

volatile uint32_t *engine__stopped(struct engine *engine)
{
	return &engine->skeleton->bss->stopped;
}

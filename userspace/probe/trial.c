// SPDX-License-Identifier: BSD-2-Clause
#include "probe/trial.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "probe_abi.h"
#include "probe/target.h"

#define CALLS 2000

/*
 * The functions the trial probes sit on: one starts with an instruction the kernel emulates, the
 * other with one it single-steps.
 */
void trial_emulated(void);
void trial_single_stepped(void);
/* Never called: where a link may stay without being hit. */
void trial_idle(void);

#ifdef __x86_64__
__asm__(".pushsection .text\n"
	".globl trial_emulated, trial_single_stepped, trial_idle\n"
	".type trial_emulated, @function\n"
	".type trial_single_stepped, @function\n"
	".type trial_idle, @function\n"
	"trial_emulated: push %rbx\n pop %rbx\n ret\n"
	".size trial_emulated, . - trial_emulated\n"
	"trial_idle: push %rbx\n pop %rbx\n ret\n"
	"trial_single_stepped: test %rdi, %rdi\n ret\n"
	".size trial_single_stepped, . - trial_single_stepped\n"
	".popsection\n");
#else
#error "trial.c needs its two functions for this architecture"
#endif

struct counter {
	int map, program;
};

/* A program that adds one to the only element of map, and returns `result`. */
static int load_counter(struct counter *counter, int attach_type, int result)
{
	struct bpf_insn code[] = {
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
		{ BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, 0 },
		{ 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1 },
		{ BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, result },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)attach_type);

	counter->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "heaptap_trial", 4, 8, 1, NULL);
	if (counter->map < 0)
		return -errno;
	code[3].imm = counter->map;
	counter->program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "heaptap_trial", "Dual BSD/GPL",
					 code, ARRAY_SIZE(code), &opts);
	if (counter->program < 0) {
		int err = -errno;

		close(counter->map);
		return err;
	}
	return 0;
}

static uint64_t count_of(const struct counter *counter)
{
	uint32_t key = 0;
	uint64_t value = 0;

	bpf_map_lookup_elem(counter->map, &key, &value);
	return value;
}

struct own_code {
	uint64_t address, offset;
};

static int find_offset(const struct target_mapping *mapping, void *data)
{
	struct own_code *code = data;

	if (code->address < mapping->start || code->address >= mapping->end)
		return 0;
	code->offset = code->address - mapping->start + mapping->offset;
	return 1;
}

/* A site at the start of one of our functions; number says whose role it plays. */
static struct probe_site own_site(void (*function)(void), uint16_t number)
{
	struct own_code code = { .address = (uintptr_t)function };
	const struct alloc_fn *fn = alloc_fn__by_number(number);

	target__for_each_mapping(getpid(), find_offset, &code);
	return (struct probe_site){ .fn = fn,
				    .file_offset = code.offset,
				    .role = alloc_fn__returns(fn) ? PROBE_ROLE_RETURNING
								  : PROBE_ROLE_FREE };
}

/* Probes a function of ours, runs work, detaches. number: as own_site. */
static int with_probe(enum link_kind kind, void (*function)(void), uint16_t number,
		      void (*work)(void *data), void *data, uint64_t *hits)
{
	struct probe_site site = own_site(function, number);
	/* A session program that returns 1 has no return probe set. Elsewhere 1 would be wrong:
	 * Linux 6.6 to 6.13 took it for a wish to remove the probe. */
	bool skip = kind == LINK_SESSION && !PROBE_ROLE_RETURNS(site.role);
	struct link_programs programs;
	struct links links = { 0 };
	struct counter counter = { -1, -1 };
	int err;

	err = load_counter(&counter, link_kind__attach_type(kind), skip);
	if (err)
		return err;
	programs = (struct link_programs){ counter.program, counter.program, counter.program };
	err = links__attach(&links, kind, &programs, "/proc/self/exe", getpid(), 0, &site, 1);
	if (!err)
		work(data);
	links__detach(&links);
	if (hits)
		*hits = count_of(&counter);
	close(counter.program);
	close(counter.map);
	return err;
}

enum { MALLOC = 1, FREE = 5 }; /* alloc_api.h: one that returns a block, one that does not */

struct probe_site trial__own_site(void)
{
	return own_site(trial_idle, MALLOC);
}

struct probe_site trial__site_at(void (*function)(void))
{
	return own_site(function, FREE);
}

static void do_nothing(void *data)
{
}

int trial__link_kind(enum link_kind kind)
{
	return with_probe(kind, trial_emulated, MALLOC, do_nothing, NULL, NULL);
}

static void *call_once(void *data)
{
	trial_emulated();
	return NULL;
}

static void call_in_thread(void *data)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, call_once, NULL))
		pthread_join(thread, NULL);
}

bool trial__multi_sees_threads(void)
{
	uint64_t hits = 0;

	return !with_probe(LINK_MULTI, trial_emulated, FREE, call_in_thread, NULL, &hits) &&
	       hits == 1;
}

/* Strict mode is the thread's own, and kills nothing but the thread. */
static void *call_in_sandbox(void *data)
{
	if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) {
		trial_emulated();
		*(volatile bool *)data = true;
	}
	syscall(SYS_exit, 0);
	return NULL;
}

static void send_to_sandbox(void *data)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, call_in_sandbox, data))
		pthread_join(thread, NULL);
}

bool trial__spares_sandboxes(void)
{
	static bool tried, survived;
	int err = -EOPNOTSUPP;
	bool alone = false;

	if (tried)
		return survived;
	tried = true;
	/* Kernels without strict mode have nobody to kill. */
	send_to_sandbox(&alone);
	for (enum link_kind kind = 0; err && kind < NR_LINK_KINDS; kind++)
		err = with_probe(kind, trial_emulated, MALLOC, send_to_sandbox, &survived, NULL);
	survived |= err || !alone;
	return survived;
}

struct timing {
	void (*function)(void);
	double ns;
};

static void time_calls(void *data)
{
	struct timing *timing = data;
	uint64_t start_ns;

	timing->function();
	start_ns = clock__monotonic_ns();
	for (int i = 0; i < CALLS; i++)
		timing->function();
	timing->ns = (double)(clock__monotonic_ns() - start_ns) / CALLS;
}

int trial__cost(struct trial_cost *cost)
{
	struct timing plain = { .function = trial_emulated };
	struct timing emulated = plain, returning = plain;
	struct timing stepped = { .function = trial_single_stepped };
	int err = -EOPNOTSUPP;

	time_calls(&plain);
	for (enum link_kind kind = 0; err && kind < NR_LINK_KINDS; kind++) {
		err = with_probe(kind, trial_emulated, FREE, time_calls, &emulated, NULL);
		if (!err)
			err = with_probe(kind, trial_emulated, MALLOC, time_calls, &returning,
					 NULL);
		if (!err)
			err = with_probe(kind, trial_single_stepped, FREE, time_calls, &stepped,
					 NULL);
	}
	if (err)
		return err;
	cost->emulated_ns = max(emulated.ns - plain.ns, 0.0);
	cost->single_stepped_ns = max(stepped.ns - plain.ns, 0.0);
	cost->return_ns = max(returning.ns - emulated.ns, 0.0);
	return 0;
}

double trial_cost__call_ns(const struct trial_cost *cost, const struct probe_site *site)
{
	return (site->place.emulated ? cost->emulated_ns : cost->single_stepped_ns) +
	       (PROBE_ROLE_RETURNS(site->role) ? cost->return_ns : 0);
}

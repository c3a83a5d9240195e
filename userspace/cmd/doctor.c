// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "probe/allocators.h"
#include "probe/custom.h"
#include "probe/inject_trial.h"
#include "probe/link.h"
#include "probe/preload_lib.h"
#include "probe/target.h"
#include "probe/trial.h"
#include "source/engine.h"
#include "source/mapevents.h"
#include "symbol/elf.h"
#include "wire.h"

#define DETAIL 256
#define ABSENT 2

/* A thing heaptap needs. check returns 0 (well), 1 or ABSENT (it can do without) or -errno, and
 * says what it found; remedy is what to do when it is not 0. */
struct check {
	const char *name;
	int (*check)(char *detail);
	const char *remedy;
};

static bool preload_works;

static int check_kernel(char *detail)
{
	struct utsname name;

	uname(&name);
	snprintf(detail, DETAIL, "%s %s, %s", name.sysname, name.release, name.machine);
	return strcmp(name.machine, "x86_64") ? -EOPNOTSUPP : 0;
}

static int check_privileges(char *detail)
{
	char missing[TARGET_MISSING_CAPABILITIES];
	int err = target__missing_capabilities(missing);

	snprintf(detail, DETAIL, "%s%s", err ? "missing: " : "all there", err ? missing : "");
	return err;
}

static int check_btf(char *detail)
{
	int err = access("/sys/kernel/btf/vmlinux", R_OK) ? -errno : 0;

	snprintf(detail, DETAIL, "/sys/kernel/btf/vmlinux %s", err ? "is not there" : "is there");
	return err;
}

/* The kernel names the active mode in brackets (Documentation/admin-guide/LSM). */
static int check_lockdown(char *detail)
{
	char *text = file__read_all("/sys/kernel/security/lockdown", 256, NULL);
	const char *active = text ? strchr(text, '[') : NULL;
	int result = active && !strncmp(active, "[confidentiality]", 17) ? -EPERM : 0;

	snprintf(detail, DETAIL, "%.*s", active ? (int)strcspn(active + 1, "]") : 4,
		 active ? active + 1 : "none");
	free(text);
	return result;
}

static int check_programs(char *detail)
{
	struct engine engine;
	struct bpf_source_config config = { .ring_bytes = 1 << 16 };
	int err = engine__open(&engine, &config);

	if (!err) {
		snprintf(detail, DETAIL, "the kernel takes them");
		engine__close(&engine);
	} else {
		snprintf(detail, DETAIL, "refused: %s", strerror(-err));
	}
	return err;
}

static int check_links(char *detail)
{
	enum link_kind best = NR_LINK_KINDS;
	size_t used = 0;

	for (enum link_kind kind = 0; kind < NR_LINK_KINDS; kind++) {
		int err = trial__link_kind(kind);

		if (!err && kind == LINK_MULTI && !trial__multi_sees_threads())
			err = -ENOTUNIQ;
		if (!err && best == NR_LINK_KINDS)
			best = kind;
		used += (size_t)snprintf(detail + used, DETAIL - used, "%s%s: %s", used ? ", " : "",
					 link_kind__name(kind),
					 !err		    ? "works"
					 : err == -ENOTUNIQ ? "misses threads"
							    : strerror(-err));
	}
	if (best == NR_LINK_KINDS)
		return -EOPNOTSUPP;
	snprintf(detail + used, DETAIL - used, "; used: %s", link_kind__name(best));
	return best == LINK_SESSION ? 0 : 1;
}

static int check_sandboxes(char *detail)
{
	bool spared = trial__spares_sandboxes();

	snprintf(detail, DETAIL, "%s",
		 spared ? "a process under it survives being watched"
			: "kills what is under it at the first probe");
	return !spared;
}

static int check_mapping_events(char *detail)
{
	struct mapevents events;
	int err = mapevents__open(&events);

	snprintf(detail, DETAIL, "%s", err ? strerror(-err) : "perf events work");
	if (!err)
		mapevents__close(&events);
	return err;
}

/* heaptap fail -p only. */
static int check_injection(char *detail)
{
	char why[DETAIL - 32] = "";
	int err = inject_trial__run(why, sizeof(why));

	snprintf(detail, DETAIL, "%s", err ? why : "a probe can make a call fail");
	return err ? ABSENT : 0;
}

static int count_modules(const struct wire_head *record, void *data)
{
	int *nr = data;

	*nr += record->type == WIRE_MODULE;
	return 0;
}

/* Can a command be watched from inside? Nothing else depends on it. */
static int check_preload(char *detail)
{
	char name[] = "true", *command[] = { name, NULL }, *why = NULL,
	     *library = preload_lib__find(&why);
	struct preload_source_config config = { .library = library, .ring_bytes = 1 << 18 };
	struct source *source = library ? preload_source__launch(&config, command) : NULL;
	int nr_modules = 0;

	while (source && source->pump(source, 10, count_modules, &nr_modules) > 0)
		;
	if (source)
		source->close(source);
	preload_works = nr_modules > 0;
	snprintf(detail, DETAIL, "%s",
		 preload_works ? library
		 : why	       ? why
			       : "a program that was started with it has not loaded it");
	free(library);
	free(why);
	return preload_works ? 0 : ABSENT;
}

static const struct check checks[] = {
	{ "kernel", check_kernel, "heaptap's probes are written for x86-64." },
	{ "privileges", check_privileges,
	  "Run heaptap by sudo, or give it those capabilities with setcap." },
	{ "BTF", check_btf,
	  "Use a kernel built with CONFIG_DEBUG_INFO_BTF (the distributions' are, since 2021)." },
	{ "lockdown", check_lockdown,
	  "In this mode the kernel lets no BPF program read memory; boot with "
	  "lockdown=integrity or none." },
	{ "BPF programs", check_programs,
	  "heaptap needs Linux 5.15 or newer with CONFIG_BPF_SYSCALL and CONFIG_UPROBE_EVENTS; "
	  "-vv shows what the kernel says." },
	{ "uprobe links", check_links,
	  "From Linux 6.13 on (session links) probes cost less and attach faster." },
	{ "seccomp", check_sandboxes,
	  "Such processes are refused. Linux before 6.11 and from 6.14 on spares them." },
	{ "mapping events", check_mapping_events,
	  "Set kernel.perf_event_paranoid to 2 or less, or run heaptap by sudo." },
	{ "injection from outside", check_injection,
	  "Only needed for heaptap fail -p, which takes Linux 6.18 or newer, and one that was not "
	  "built "
	  "to refuse it." },
	{ "preload library", check_preload,
	  "Only needed for --engine preload, which watches commands without privilege." },
};

static void print_line(const char *name, const char *verdict, const char *detail)
{
	printf("  %-22s %-5s ", name, verdict);
	text__print(stdout, detail);
	putchar('\n');
}

static const char *verdict(int result)
{
	if (result < 0)
		return "NO";
	return !result ? "ok" : result == ABSENT ? "none" : "older";
}

/* Returns the number of things that are missing. */
static int run_checks(void)
{
	int nr_missing = 0;

	printf("This machine\n");
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		char detail[DETAIL] = "";
		int result = checks[i].check(detail);

		print_line(checks[i].name, verdict(result), detail);
		if (result)
			printf("  %-22s       %s\n", "", checks[i].remedy);
		nr_missing += result < 0;
	}
	return nr_missing;
}

static void print_cost(const struct trial_cost *cost)
{
	printf("\nWhat a probe adds to a call here, measured\n"
	       "  on an instruction the kernel emulates: %5.2f us\n"
	       "  on one it must single-step:            %5.2f us\n"
	       "  and when the call returns a block:    +%5.2f us\n",
	       cost->emulated_ns / 1e3, cost->single_stepped_ns / 1e3, cost->return_ns / 1e3);
}

struct examination {
	pid_t pid;
	const struct trial_cost *cost; /* NULL: not measured */
	const struct allocator_config *allocators;
	size_t nr_files, nr_sites;
	char seen[64][PATH_MAX]; /* a file has several executable mappings now and then */
};

/* "glibc, mimalloc", of whose functions the sites are. */
static void describe_families(const struct probe_site *sites, int nr_sites, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < nr_sites; i++) {
		int before = 0;

		while (before < i && strcmp(sites[before].fn->family, sites[i].fn->family))
			before++;
		if (before == i && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 sites[i].fn->family);
	}
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static void print_sites(const struct examination *at, const struct probe_site *sites, int nr_sites)
{
	for (int i = 0; i < nr_sites; i++) {
		const struct place *place = &sites[i].place;

		printf("    %-16s +%-3u %-24s %s", sites[i].fn->symbol, place->offset, place->text,
		       place->emulated ? "emulated" : "single-stepped");
		if (at->cost)
			printf(", %.2f us a call", trial_cost__call_ns(at->cost, &sites[i]) / 1e3);
		putchar('\n');
	}
}

static int examine_mapping(const struct target_mapping *mapping, void *data)
{
	struct examination *at = data;
	struct probe_site *sites = NULL;
	char path[PATH_MAX + 64];
	struct elf_file *elf;
	int fd, nr_sites = 0;
	char families[DETAIL - 32], detail[DETAIL], *why = NULL;

	if (mapping->path[0] != '/' || at->nr_files >= ARRAY_SIZE(at->seen))
		return 0;
	for (size_t i = 0; i < at->nr_files; i++)
		if (!strcmp(at->seen[i], mapping->path))
			return 0;
	snprintf(at->seen[at->nr_files++], PATH_MAX, "%s", mapping->path);
	fd = target__open_mapped(at->pid, mapping->start, mapping->end, mapping->path, path,
				 sizeof(path));
	elf = fd >= 0 ? elf__open(fd) : NULL;
	if (!elf) {
		print_line(path__base(mapping->path), "?", "its file cannot be read");
	} else {
		nr_sites = allocators__find(elf, at->allocators, mapping->path, &sites);
		if (nr_sites > 0) {
			describe_families(sites, nr_sites, families, sizeof(families));
			snprintf(detail, sizeof(detail), "has an allocator (%s):", families);
			print_line(path__base(mapping->path), "ok", detail);
			print_sites(at, sites, nr_sites);
			at->nr_sites += (size_t)nr_sites;
		} else if ((why = allocators__why_none(elf, mapping->path))) {
			print_line(path__base(mapping->path), "NO", why);
		} else if (!elf__has_symbols(elf)) {
			print_line(path__base(mapping->path), "-",
				   "has no symbols: an allocator inside it would not be seen");
		}
	}
	free(why);
	free(sites);
	elf__close(elf);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* What may surprise who watches it, though it hinders nothing. */
static void print_condition(pid_t pid)
{
	static const char *const seccomp[] = { "", "strict mode", "filter" };
	struct target_condition at;
	char detail[DETAIL];

	if (target__condition(pid, &at))
		return;
	if (at.state == 'D')
		print_line("state", "D",
			   "sleeps uninterruptibly, and allocates nothing till it wakes");
	if (at.state == 'T' || at.state == 't')
		print_line("state", "T",
			   "is stopped, stays so, and allocates nothing till it goes on");
	if (at.tracer) {
		snprintf(detail, sizeof(detail),
			 "process %d, which is shown the stops of --lossless as signals",
			 at.tracer);
		print_line("traced by", "-", detail);
	}
	if (at.seccomp == 1 || at.seccomp == 2)
		print_line("seccomp", "ok", seccomp[at.seccomp]);
	if (at.inner_pid != pid) {
		snprintf(detail, sizeof(detail), "is number %d inside; -p takes %d", at.inner_pid,
			 pid);
		print_line("pid namespace", "ok", detail);
	}
}

static int examine_process(pid_t pid, const struct trial_cost *cost,
			   const struct allocator_config *allocators)
{
	struct examination *at;
	struct target target;
	int err = target__open(pid, &target);

	if (err)
		return err;
	printf("\nProcess %d (", pid);
	text__print(stdout, target.exe);
	printf(")\n");
	print_condition(pid);
	at = xcalloc(1, sizeof(*at));
	at->pid = pid;
	at->cost = cost;
	at->allocators = allocators;
	err = target__for_each_mapping(pid, examine_mapping, at);
	custom__warn_of_missing(&allocators->custom);
	if (!err && !at->nr_sites) {
		printf("  No allocator that heaptap knows was found in the files it maps.\n");
		err = -ENOENT;
	}
	free(at);
	target__close(&target);
	return err;
}

static int run_doctor(const struct options *options)
{
	int nr_missing = run_checks();
	struct trial_cost cost;
	bool measured = !nr_missing && !trial__cost(&cost);

	if (measured)
		print_cost(&cost);
	for (size_t i = 0; i < options->nr_pids; i++)
		nr_missing += examine_process((pid_t)options->pids[i], measured ? &cost : NULL,
					      &options->allocators) != 0;
	printf("\n%s\n",
	       !nr_missing ? "All is well."
	       : preload_works
		       ? "heaptap cannot do its work here as it should, see above; commands "
			 "that it starts can be watched (--engine preload)."
		       : "heaptap cannot do its work here; see above.");
	return nr_missing ? EXIT_CANNOT : EXIT_DONE;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.bit = CMD_DOCTOR,
	.operands = CMD_OPERANDS_NONE,
	.summary = "Say what works on this machine, what does not, and what to do about it.",
	.about = "Tries everything heaptap needs of the kernel, measures what a probe costs here, "
		 "and with -p shows which allocator functions of a process would be probed, on "
		 "which instruction, and at what cost a call. Changes nothing. Exit status 1 when "
		 "something needed is missing.",
	.examples = "heaptap doctor           this machine\n"
		    "heaptap doctor -p 1234   and how process 1234 would be watched",
	.run = run_doctor,
};

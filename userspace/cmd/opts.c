// SPDX-License-Identifier: BSD-2-Clause
/* The table of options; parse.c reads a command line against it, help*.c explain it. */
#include "cmd/opts.h"

#include "base/util.h"

#define VIEW	      (CMD_LEAKS | CMD_REPORT | CMD_EXPORT) /* make something of a heap */
#define WATCH	      (VIEW | CMD_STACKS | CMD_RECORD)
#define ANY	      (WATCH | CMD_RECEIVE | CMD_DOCTOR | CMD_HELP | CMD_SYMBOLIZE | CMD_PAIR | CMD_FAIL)
#define MEMBER(name)  offsetof(struct options, name)
#define NO_BOUND      UINT64_MAX
#define PID_MAX_LIMIT 4194304 /* the kernel's own limit on 64-bit machines */

const struct opt opts[] = {
	{ "pid", 'p', "PID", OPT_PID, MEMBER(pids), 1, PID_MAX_LIMIT, WATCH | CMD_DOCTOR | CMD_FAIL,
	  "Look at the running process PID; at several with -p 12,34 or -p 12 -p 34. Ending "
	  "heaptap, by Ctrl-C or otherwise, leaves them running." },
	{ "comm", 0, "NAME", OPT_STRING, MEMBER(comm), 0, 0, WATCH,
	  "Look at every running process of that name, as ps shows it (its first 15 letters)." },
	{ "cgroup", 0, "PATH", OPT_STRING, MEMBER(cgroup), 0, 0, WATCH,
	  "Look at every running process of a control group and of the groups in it: a directory, "
	  "or a name such as system.slice/redis-server.service." },
	{ "children", 0, NULL, OPT_FLAG, MEMBER(children), 0, 0, WATCH,
	  "Look at the children of these processes, too, and at theirs, as far as they run "
	  "already. Those to come are --follow's." },
	{ "duration", 'd', "SECONDS", OPT_DURATION, MEMBER(duration_ns), 1, NO_BOUND,
	  WATCH | CMD_RECEIVE | CMD_FAIL,
	  "Stop watching after SECONDS; without it Ctrl-C or the end of the process does. Decimals "
	  "and the suffixes ms, s, m and h are understood: 0.5, 90, 10m." },
	{ "output", 'o', "FILE", OPT_STRING, MEMBER(output), 0, 0,
	  VIEW | CMD_RECORD | CMD_RECEIVE | CMD_SYMBOLIZE,
	  "Write to FILE: a report instead of standard output, the recording of record instead of "
	  "NAME.PID.htap, the recording with names of symbolize. - is standard output. Of receive "
	  "it is the folder for what comes, "
	  "instead of the current one." },
	{ "output", 'o', "FILE", OPT_STRING, MEMBER(output), 0, 0, CMD_FAIL,
	  "With --pid: write a recording of the calls that fail to FILE, too." },
	{ "paths", 0, NULL, OPT_FLAG, MEMBER(paths), 0, 0, CMD_FAIL,
	  "With --pid: each call path fails once." },
	{ "list", 0, NULL, OPT_FLAG, MEMBER(list), 0, 0, CMD_FAIL,
	  "Run nothing; print the call paths that the database knows, each with its verdict and "
	  "stack." },
	{ "replay", 0, "ID", OPT_STRING, MEMBER(replay), 0, 0, CMD_FAIL,
	  "Run the command once more so that the call path ID fails, and nothing else, with "
	  "standard input and output as they are. The first digits of an ID will do." },
	{ "gdb", 0, NULL, OPT_FLAG, MEMBER(gdb), 0, 0, CMD_FAIL, "With --replay: in gdb." },
	{ "database", 0, "DIR", OPT_STRING, MEMBER(database), 0, 0, CMD_FAIL,
	  "Keep what is known in DIR in place of heaptap.fail." },
	{ "only", 0, "NAME", OPT_STRINGS, MEMBER(only), 0, 0, CMD_FAIL,
	  "Only calls with the function NAME, or code of the file NAME, on their stack. May "
	  "be given more than once: one of them will do. With --pid a C++ function may be named "
	  "without its parameters and outer scopes, a library without its path and version. With a "
	  "command the function must be one that its file exports, files are what has .so or / "
	  "in its name, and the command, and NAME may be several with commas between them." },
	{ "ignore", 0, "NAME", OPT_STRINGS, MEMBER(ignore), 0, 0, CMD_FAIL,
	  "No calls with that function or file on their stack; with a command a part of the name "
	  "will do. May be given more than once." },
	{ "size", 0, "SIZES", OPT_STRING, MEMBER(sizes), 0, 0, CMD_FAIL,
	  "Only calls that ask for so many bytes: 100, '>1M', '<=4K', or 1K-4K, both ends in it." },
	{ "nth", 0, "N", OPT_NUMBER, MEMBER(nth), 1, NO_BOUND, CMD_FAIL,
	  "Only the Nth call of those that the other options let pass; of a command, one run." },
	{ "rate", 0, "P%", OPT_STRING, MEMBER(rate), 0, 0, CMD_FAIL,
	  "Only so many of these calls, chosen at random: 0.5%, say; of a command, one run." },
	{ "seed", 0, "N", OPT_NUMBER, MEMBER(seed), 0, NO_BOUND, CMD_FAIL,
	  "Another choice for --rate, the same for the same N; 0 by default." },
	{ "count", 0, "N", OPT_NUMBER, MEMBER(max_failures), 1, NO_BOUND, CMD_FAIL,
	  "No more than N failures: in all with --pid, else in each process of a run, where 1 is "
	  "the "
	  "default." },
	{ "many", 0, NULL, OPT_FLAG, MEMBER(many), 0, 0, CMD_FAIL,
	  "Let every new path of a run fail, not one a run. Fewer runs; the verdict is on the last "
	  "of them." },
	{ "persistent", 0, NULL, OPT_FLAG, MEMBER(persistent), 0, 0, CMD_FAIL,
	  "Once one call has failed, let all that follow in its process fail, too." },
	{ "timeout", 0, "SECONDS", OPT_DURATION, MEMBER(timeout_ns), 1, NO_BOUND, CMD_FAIL,
	  "A run that takes longer hangs. By default four times what an undisturbed run takes, and "
	  "three seconds." },
	{ "max-runs", 0, "N", OPT_NUMBER, MEMBER(max_runs), 1, NO_BOUND, CMD_FAIL,
	  "Stop after N runs." },
	{ "budget", 0, "SECONDS", OPT_DURATION, MEMBER(budget_ns), 1, NO_BOUND, CMD_FAIL,
	  "Begin no run after so much time: 600, 10m." },
	{ "jobs", 0, "N", OPT_NUMBER, MEMBER(jobs), 1, 256, CMD_FAIL, "Do N runs at once." },
	{ "junit", 0, "FILE", OPT_STRING, MEMBER(junit), 0, 0, CMD_FAIL,
	  "Write the verdicts to FILE, too, as JUnit XML for a CI server." },
	{ "strict", 0, NULL, OPT_FLAG, MEMBER(strict), 0, 0, CMD_FAIL,
	  "An abort, and output that silently is another one, count as faults, too." },
	{ "no-trace", 0, NULL, OPT_FLAG, MEMBER(untraced), 0, 0, CMD_FAIL,
	  "Do not trace the runs: there is no stack of a crash then, and nothing is known of "
	  "children. For programs that trace themselves; LeakSanitizer does, and stays away "
	  "otherwise." },
	{ "ready", 0, "PATTERN", OPT_STRING, MEMBER(ready), 0, 0, CMD_FAIL,
	  "The command is a server: it is ready when a line that it prints matches this extended "
	  "regular expression. Then --drive runs; without that the server is ended." },
	{ "drive", 0, "CLIENT", OPT_STRING, MEMBER(drive), 0, 0, CMD_FAIL,
	  "The command is a server: run CLIENT, by sh, in each run, at once or by --ready. When "
	  "it is done the server gets SIGTERM. Its status and output are what verdicts go by, "
	  "too." },
	{ "no-leaks", 0, NULL, OPT_FLAG, MEMBER(no_leaks), 0, 0, CMD_FAIL,
	  "Do not look for blocks that runs leave behind and undisturbed ones do not." },
	{ "count", 0, "N", OPT_NUMBER, MEMBER(nr_streams), 1, NO_BOUND, CMD_RECEIVE,
	  "End after N recordings." },
	{ "max-bytes", 0, "BYTES", OPT_BYTES, MEMBER(max_bytes), 1, NO_BOUND, CMD_RECEIVE,
	  "Take so much of each stream at most; 16G by default." },
	{ "view", 0, "NAME", OPT_STRING, MEMBER(view), 0, 0, CMD_REPORT | CMD_RECEIVE,
	  "What to show; `heaptap help report` lists them. leaks is the default." },
	{ "format", 'f', "NAME", OPT_STRING, MEMBER(format), 0, 0, CMD_EXPORT | CMD_RECEIVE,
	  "What to write; `heaptap help export` lists them." },
	{ "format", 0, "NAME", OPT_STRING, MEMBER(format), 0, 0, CMD_REPORT,
	  "Another form of a view's text, where it has one: cjdns of tree; csv and tsv of "
	  "timeline; csv and malloc-trace of orphans, rows that are written while events come." },
	{ "width", 0, "COLUMNS", OPT_NUMBER, MEMBER(width), 20, 1000, CMD_REPORT,
	  "How wide the bars and tables of timeline, sizes and threads are; without it as the "
	  "terminal, or 80." },
	{ "age", 0, "SECONDS", OPT_DURATION, MEMBER(age_ns), 1, NO_BOUND, CMD_REPORT,
	  "orphans: how old a block must be; 60 by default." },
	{ "interval", 0, "SECONDS", OPT_DURATION, MEMBER(interval_ns), NSEC_PER_SEC / 10, NO_BOUND,
	  CMD_REPORT,
	  "orphans: look for such blocks so often, at most ten times a second; every --age by "
	  "default." },
	{ "resolve", 0, NULL, OPT_FLAG, MEMBER(resolve), 0, 0, CMD_REPORT,
	  "orphans --format: write rows at the end only, and only of what has not been freed." },
	{ "rotate-size", 0, "BYTES", OPT_BYTES, MEMBER(rotate_bytes), 1, NO_BOUND,
	  CMD_REPORT | CMD_EXPORT,
	  "Before a FILE of rows grows beyond BYTES rename it to FILE.1, FILE.1 to FILE.2 and so "
	  "on, and begin a new one." },
	{ "rotate-keep", 0, "N", OPT_NUMBER, MEMBER(rotate_keep), 1, 1000, CMD_REPORT | CMD_EXPORT,
	  "Keep so many old files; 10 by default." },
	{ "dialect", 0, "sqlite|mysql|postgresql", OPT_WORD, MEMBER(dialect), 0, 0, CMD_EXPORT,
	  "sql: for which database; sqlite by default." },
	{ "in_file", 'i', "FILE", OPT_STRING, MEMBER(input), 0, 0, CMD_PAIR,
	  "Read rows from FILE; - is standard input." },
	{ "out_file", 'o', "FILE", OPT_STRING, MEMBER(output), 0, 0, CMD_PAIR,
	  "Write the rows that are left to FILE; - is standard output. It may be the file that is "
	  "read." },
	{ "min", 0, "BYTES|PERCENT%", OPT_SHARE, MEMBER(min_share), 0, 0, CMD_REPORT,
	  "Of tree: add up what is smaller, as bytes or as a share of the whole: 64K, 1%, 0.5%." },
	{ "inverted", 0, NULL, OPT_FLAG, MEMBER(inverted), 0, 0, CMD_REPORT,
	  "Of tree: from the calls that allocate outwards, to who called them." },
	{ "cost", 0, "live|peak|total|temporary", OPT_WORD, MEMBER(cost), 0, 0,
	  CMD_REPORT | CMD_EXPORT,
	  "Which memory counts: what is live at the end, what was live at the peak, all that was "
	  "allocated, or what was freed before its thread's next allocation." },
	{ "time-slice-interval-secs", 0, "N", OPT_NUMBER, MEMBER(slice_s), 1, 100000000, CMD_EXPORT,
	  "Besides, with callgrind, write a file for each N seconds since the watching began: of "
	  "what was allocated in them and is live at the end." },
	{ "sample-interval-secs", 0, "N", OPT_NUMBER, MEMBER(sample_s), 1, 100000000, CMD_EXPORT,
	  "Besides, with callgrind, write a table, PROG.PID.samples, of what was live after every "
	  "N "
	  "seconds." },
	{ "at", 0, "TIME", OPT_MOMENT, MEMBER(at), 0, 0, VIEW,
	  "Show the heap as it was at that moment: so many seconds after the watching began (90, "
	  "1.5, 10m), or a time of day such as 2026-01-31T12:00:00, local or with Z behind." },
	{ "between", 0, "FROM TO", OPT_MOMENTS, MEMBER(between), 0, 0, VIEW,
	  "Only what was allocated from one moment until another, each as with --at." },
	{ "process", 0, "PID", OPT_NUMBER, MEMBER(only_pid), 1, PID_MAX_LIMIT, VIEW,
	  "Of several processes, in a recording or watched, show that one only." },
	{ "thread", 0, "TID", OPT_NUMBER, MEMBER(tid), 1, PID_MAX_LIMIT, VIEW,
	  "Only what that thread allocated." },
	{ "min-size", 0, "BYTES", OPT_BYTES, MEMBER(min_block_bytes), 0, NO_BOUND, VIEW,
	  "Only blocks of at least so many bytes." },
	{ "max-size", 0, "BYTES", OPT_BYTES, MEMBER(max_block_bytes), 1, NO_BOUND, VIEW,
	  "Only blocks of at most so many bytes." },
	{ "from", 0, "htap|dumpalloc", OPT_WORD, MEMBER(from), 0, 0,
	  VIEW | CMD_STACKS | CMD_SYMBOLIZE,
	  "What FILE is: a recording of heaptap's, or a stream of libdumpalloc's. Without it the "
	  "file's beginning says so." },
	{ "function", 0, "REGEX", OPT_STRINGS, MEMBER(of_function), 0, 0, VIEW,
	  "Only stacks with a function whose name matches the POSIX extended regular expression "
	  "REGEX, anywhere in the name; with a ! in front of it, only stacks without. Given more "
	  "than once, one match is enough, and every ! counts." },
	{ "file", 0, "REGEX", OPT_STRINGS, MEMBER(of_file), 0, 0, VIEW,
	  "Likewise, stacks with a line of a source file whose path or name matches." },
	{ "module", 0, "REGEX", OPT_STRINGS, MEMBER(of_module), 0, 0, VIEW,
	  "Likewise, stacks that lead through a program or library whose path or name matches. "
	  "With several of --function, --file and --module each must be met, by any frame." },
	{ "suppressions", 0, "FILE", OPT_STRINGS, MEMBER(suppressions), 0, 0, VIEW,
	  "Leave out what the rules in FILE say, and tell how much that was. It is written for "
	  "LeakSanitizer (leak:PATTERN) or for valgrind ({ NAME Memcheck:Leak fun:... }). May be "
	  "given more than once." },
	{ "json", 0, NULL, OPT_FLAG, MEMBER(json), 0, 0, CMD_FAIL,
	  "Print JSON: with --pid a line for each failure, else the verdicts, every stack in full "
	  "detail." },
	{ "json", 0, NULL, OPT_FLAG, MEMBER(json), 0, 0, CMD_LEAKS | CMD_REPORT,
	  "Print the report as JSON, every stack in full detail." },
	{ "min-bytes", 0, "BYTES", OPT_BYTES, MEMBER(min_bytes), 0, NO_BOUND, VIEW,
	  "Leave out stacks whose live blocks add up to fewer BYTES. K, M and G stand for powers "
	  "of 1024." },
	{ "min-count", 0, "N", OPT_NUMBER, MEMBER(min_count), 0, NO_BOUND, VIEW,
	  "Leave out stacks with fewer than N live blocks." },
	{ "older", 0, "SECONDS", OPT_DURATION, MEMBER(older_ns), 0, NO_BOUND, VIEW,
	  "Only count blocks at least SECONDS old at the end. A process seen in the middle of its "
	  "work always has young blocks that it is about to free; this leaves them out." },
	{ "top", 0, "N", OPT_NUMBER, MEMBER(top), 0, NO_BOUND, VIEW,
	  "Print the N largest entries only; 0, the default, prints all." },
	{ "depth", 0, "N", OPT_NUMBER, MEMBER(depth), 0, NO_BOUND, VIEW,
	  "Look at the N innermost frames only, and add up stacks that agree in them; 0, the "
	  "default, looks at all." },
	{ "error-exitcode", 0, "N", OPT_EXITCODE, MEMBER(error_exitcode), 1, 255,
	  CMD_LEAKS | CMD_REPORT,
	  "Exit with status N, from 1 to 255, when the report has any entry." },
	{ "lossless", 0, NULL, OPT_ON, MEMBER(lossless), 0, 0, WATCH,
	  "Stop the process for a moment whenever the ring is nearly full, so that no event is "
	  "lost. The default for a launched COMMAND." },
	{ "no-lossless", 0, NULL, OPT_OFF, MEMBER(lossless), 0, 0, WATCH,
	  "Never stop the process; lose events when the ring is full, and say how many. The "
	  "default with --pid." },
	{ "follow", 'f', NULL, OPT_ON, MEMBER(follow), 0, 0, WATCH & ~CMD_EXPORT,
	  "Watch the processes it starts, too, each from its first instruction: they are held for "
	  "a moment while they are probed. A launched COMMAND is always watched so, until it ends; "
	  "with this option, until the last of its processes ends." },
	{ "follow", 0, NULL, OPT_ON, MEMBER(follow), 0, 0, CMD_EXPORT,
	  "Watch the processes it starts, too." },
	{ "no-follow", 0, NULL, OPT_OFF, MEMBER(follow), 0, 0, WATCH,
	  "Leave the processes it starts alone. The default with --pid." },
	{ "ring-size", 0, "BYTES", OPT_BYTES, MEMBER(ring_bytes), 64 << 10, 2ull << 30, WATCH,
	  "Size of the ring between kernel and heaptap: 64K to 2G, rounded up to a power of two; "
	  "16M by default. A larger one absorbs longer bursts. With --engine preload each process "
	  "has a ring of its own, of 1M to 1G; 4M by default." },
	{ "memory-limit", 0, "BYTES", OPT_BYTES, MEMBER(memory_bytes), 16 << 20, 1ull << 50,
	  VIEW | CMD_SYMBOLIZE,
	  "Stop reading a recording when heaptap itself has that much memory, and show what came "
	  "before; the report made of that may take several times as much where stacks are many "
	  "and "
	  "deep: 6 times in tree, 11 times in an export for callgrind. By default three quarters "
	  "of "
	  "what the machine has." },
	{ "engine", 0, "auto|bpf|preload", OPT_WORD, MEMBER(engine), 0, 0, WATCH,
	  "How to watch: bpf from outside, by probes of the kernel, which takes root; preload from "
	  "inside a COMMAND that is started with a library in it, without privilege. auto, the "
	  "default, takes bpf where that works, else preload, and says so." },
	{ "sample", 0, "BYTES", OPT_BYTES, MEMBER(sample_bytes), 1, UINT32_MAX, WATCH,
	  "Record one allocation for about each BYTES that are allocated, and of every larger "
	  "block; "
	  "reports are estimates then. Takes --engine preload." },
	{ "link", 0, "session|multi|perf", OPT_WORD, MEMBER(link), 0, 0, WATCH,
	  "Attach by this kind of link only. By default the first of them that works here is "
	  "taken." },
	{ "allocator", 0, "FUNCTIONS", OPT_ALLOCATOR, MEMBER(allocators.custom), 0, 0,
	  WATCH | CMD_DOCTOR,
	  "Count the calls of allocator functions of the program's own, such as those of a slab or "
	  "an arena: 'malloc=my_alloc(size=2) free=my_free(ptr=1)'. The role is malloc, calloc, "
	  "realloc, reallocarray, memalign, aligned, posix_memalign or free; size, count, ptr and "
	  "out are positions from 1 to 6, and those of the standard function when there are none; "
	  "family=NAME among them is shown in reports. In place of a symbol 0xADDRESS, as nm shows "
	  "it, is a function of a program without symbols; @FILE behind either is for that file "
	  "only. May be given more than once." },
	{ "allocator-file", 0, "FILE", OPT_ALLOCATOR_FILE, MEMBER(allocators.custom), 0, 0,
	  WATCH | CMD_DOCTOR, "Read what --allocator takes from FILE, where # begins a comment." },
	{ "mmap", 0, NULL, OPT_FLAG, MEMBER(allocators.mmap), 0, 0, WATCH | CMD_DOCTOR,
	  "Count memory the program asks of the kernel itself, too: anonymous mappings (mmap, "
	  "mremap, munmap) and sbrk. What an allocator asks for is not counted twice. A mapping "
	  "is given back as a whole: an munmap in its middle is not seen." },
	{ "stats", 0, NULL, OPT_FLAG, MEMBER(stats), 0, 0, WATCH,
	  "At the end say on stderr how the stacks were walked, and how many could not be walked "
	  "to "
	  "the outermost frame." },
	{ "free-stacks", 0, NULL, OPT_FLAG, MEMBER(free_stacks), 0, 0, WATCH,
	  "Note the stack of each free, too: who gave a block back. A free then costs as much as "
	  "an "
	  "allocation." },
	{ "check-stacks", 0, NULL, OPT_FLAG, MEMBER(check_stacks), 0, 0, WATCH,
	  "Compare every distinct stack with what libdwfl makes of the same moment, and tell the "
	  "result with --stats. Slow; for testing heaptap." },
	{ "plain-loop", 0, NULL, OPT_FLAG, MEMBER(plain_loop), 0, 0, WATCH,
	  "Walk stacks as on kernels before 5.17, which have no bpf_loop. For testing heaptap." },
	{ "no-symbols", 0, NULL, OPT_FLAG, MEMBER(no_symbols), 0, 0, CMD_RECORD,
	  "Keep addresses only and leave names to whoever reads the recording on a machine that "
	  "has the same binaries." },
	{ "debug-dir", 0, "DIR", OPT_STRING, MEMBER(debug_dir), 0, 0,
	  WATCH | CMD_RECEIVE | CMD_SYMBOLIZE | CMD_FAIL,
	  "Look below DIR for debug files, and for files that are not stripped: by build-id "
	  "(.build-id/ab/cdef.debug), by debug link and by name, in folders like those of the "
	  "machine or in none, as builds for devices leave them. What is found is used only where "
	  "it is the same build." },
	{ "sysroot", 0, "DIR", OPT_STRING, MEMBER(sysroot), 0, 0,
	  WATCH | CMD_RECEIVE | CMD_SYMBOLIZE,
	  "Look for the binaries of the process below DIR, a copy of the root folder of the "
	  "machine "
	  "it ran on, of whatever byte order and word size. Symbolic links do not lead out of "
	  "it." },
	{ "debuginfod", 0, NULL, OPT_FLAG, MEMBER(debuginfod), 0, 0,
	  WATCH | CMD_RECEIVE | CMD_SYMBOLIZE | CMD_FAIL,
	  "Ask the servers in DEBUGINFOD_URLS for missing debug information. Without this option "
	  "heaptap asks nobody." },
	{ "unresolved", 0, "FILE", OPT_STRING, MEMBER(unresolved), 0, 0, VIEW | CMD_SYMBOLIZE,
	  "List in FILE the code addresses that were looked for and have no name, a line `object "
	  "0xADDRESS` each. - is standard output." },
	{ "verbose", 'v', NULL, OPT_COUNT, MEMBER(verbose), 0, 0,
	  WATCH | CMD_RECEIVE | CMD_DOCTOR | CMD_SYMBOLIZE | CMD_FAIL,
	  "Say more about what is being done; twice says still more." },
	{ "man", 0, NULL, OPT_FLAG, MEMBER(man), 0, 0, CMD_HELP,
	  "Print the man page, heaptap(1), in roff." },
	{ "bash-completion", 0, NULL, OPT_FLAG, MEMBER(bash_completion), 0, 0, CMD_HELP,
	  "Print the completion script for bash." },
	{ "help", 'h', NULL, OPT_FLAG, MEMBER(help), 0, 0, ANY, "Explain the command." },
};

const size_t nr_opts = ARRAY_SIZE(opts);

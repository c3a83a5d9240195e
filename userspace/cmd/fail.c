// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/fail_drive.h"
#include "cmd/fail_outside.h"

/* The first option given that is only for a command, or only for a process; NULL: none was. */
static const char *only_for_command(const struct options *options)
{
	return options->list	     ? "--list"
	       : options->replay     ? "--replay"
	       : options->gdb	     ? "--gdb"
	       : options->many	     ? "--many"
	       : options->persistent ? "--persistent"
	       : options->database   ? "--database"
	       : options->junit	     ? "--junit"
	       : options->strict     ? "--strict"
	       : options->untraced   ? "--no-trace"
	       : options->no_leaks   ? "--no-leaks"
	       : options->ready	     ? "--ready"
	       : options->drive	     ? "--drive"
	       : options->timeout_ns ? "--timeout"
	       : options->max_runs   ? "--max-runs"
	       : options->budget_ns  ? "--budget"
	       : options->jobs	     ? "--jobs"
				     : NULL;
}

static const char *only_for_process(const struct options *options)
{
	return options->paths	      ? "--paths"
	       : options->output      ? "--output (-o)"
	       : options->duration_ns ? "--duration (-d)"
				      : NULL;
}

/* The first option given of those that say which runs there are; NULL: none was. */
static const char *only_to_explore(const struct options *options)
{
	return options->nth	       ? "--nth"
	       : options->rate	       ? "--rate"
	       : options->seed	       ? "--seed"
	       : options->sizes	       ? "--size"
	       : options->only.nr      ? "--only"
	       : options->many	       ? "--many"
	       : options->persistent   ? "--persistent"
	       : options->max_failures ? "--count"
	       : options->max_runs     ? "--max-runs"
	       : options->budget_ns    ? "--budget"
	       : options->jobs	       ? "--jobs"
				       : NULL;
}

/* Options of one way to use a command with those of another. False, said. */
static bool go_together(const struct options *options)
{
	const char *wrong = only_to_explore(options);

	if (options->gdb && !options->replay) {
		log_err("--gdb is for --replay ID: one failure can be looked at in it.");
	} else if (options->list && (options->command || options->replay)) {
		log_err("--list shows what is known, and runs nothing: it goes without %s.",
			options->replay ? "--replay" : "-- COMMAND");
	} else if (options->replay && options->junit) {
		log_err("--junit is for a search or --list, --replay is one run.");
	} else if ((options->list || options->replay) && wrong) {
		log_err("%s is for a search, and %s is none.", wrong,
			options->list ? "--list" : "--replay");
	} else {
		return true;
	}
	return false;
}

static int run_fail(const struct options *options)
{
	const char *wrong =
		options->nr_pids ? only_for_command(options) : only_for_process(options);

	if (options->nr_pids && options->command) {
		log_err("--pid (-p) and -- do not go together: let calls of a running process "
			"fail, or start one.");
		return EXIT_USAGE;
	}
	if (wrong) {
		log_err("%s is for %s.", wrong,
			options->nr_pids ? "a command that heaptap starts (-- COMMAND)"
					 : "a process that runs already (-p PID)");
		return EXIT_USAGE;
	}
	if (!options->nr_pids && !go_together(options))
		return EXIT_USAGE;
	return options->nr_pids ? fail_outside__run(options) : fail_drive__run(options);
}

const struct cmd cmd_fail = {
	.name = "fail",
	.bit = CMD_FAIL,
	.operands = CMD_OPERANDS_COMMAND,
	.summary = "Make allocations fail, to see what a program does then.",
	.about = "With -- COMMAND: runs it again and again, and each time lets another call to "
		 "the allocator fail: one call path after the other, until no run takes a new "
		 "one. How each run ends is the verdict on its path:\n"
		 " survived     status and output are those of an undisturbed run\n"
		 " clean error  another exit status, SIGPIPE or its like, or a message\n"
		 " silent       other output, and neither status nor message\n"
		 " leak         status as ever, and blocks are left that undisturbed runs free\n"
		 " abort        the program called abort()\n"
		 " crash        a signal for an error; with the stack of the crash\n"
		 " sanitizer    a sanitizer's report\n"
		 " hang         not done after --timeout, or SIGKILL, or at a limit\n"
		 " untried      it comes only after another failure\n"
		 "Call paths are kept in a directory, heaptap.fail: what was tried is not tried "
		 "again, not even after Ctrl-C. A new build has new paths; remove the directory, "
		 "or name another one, to begin anew.\n"
		 "A server is driven: --ready says which of its lines is waited for, --drive which "
		 "client is run then; after that the server gets SIGTERM.\n"
		 "COMMAND must do the same in each run. Its standard input is empty unless "
		 "heaptap's is a file; what it prints is compared and not shown. It is started "
		 "with libheaptap-preload.so in it, without privilege: programs that are linked "
		 "statically, or set-user-ID, are refused. A crash, a hang, a "
		 "leak and a sanitizer's report are faults; with --strict an abort and a silent "
		 "error, too. "
		 "The exit status is 3 when there is any fault, 0 when there is none.\n"
		 "With -p PID: makes calls fail from outside, in a process that runs already: each "
		 "as its contract says, with NULL and ENOMEM, the return value of posix_memalign, "
		 "the old block of realloc left as it is, std::bad_alloc. Prints every call that "
		 "was made to fail, with its stack, and says when the process ends of it. It goes "
		 "on until Ctrl-C, the time of -d, or a second after the last failure that --count "
		 "or --nth allow; then the process is as it was. Calls for no bytes never fail, "
		 "nor do calls by the dynamic loader, by atexit and its like, by pthread_create, "
		 "and by stacks that cannot be followed to their end. operator new fails by the "
		 "malloc it calls.\n"
		 "For that a probe writes a register of the process: the size that is asked for "
		 "becomes one that no allocator has. Linux 6.18 and newer allow it, unless they "
		 "were built to refuse it; `heaptap doctor` tells. Where they do not, only -- "
		 "COMMAND is left. The exit status is 128 + N when "
		 "signal N ended the process.\n"
		 "All that is asked for must be true of a call: its size (--size), its stack "
		 "(--only, --ignore), its turn (--nth, --rate), its path (--paths).",
	.examples = "heaptap fail -- ./prog arg            every call path of that command\n"
		    "heaptap fail --list                   what is known, with stacks\n"
		    "heaptap fail --replay 3f2a -- ./prog arg\n"
		    "heaptap fail --nth 17 -- ./prog arg   one run, with one failure\n"
		    "heaptap fail --ready listening --drive 'curl -sf localhost:8080' -- ./server\n"
		    "heaptap fail --only libfoo.so --junit fail.xml -- ./prog arg\n"
		    "heaptap fail -p 1234 --only parse_request --count 1   its first allocation\n"
		    "heaptap fail -p 1234 --size '>1M' -d 60               a minute without large "
		    "blocks\n"
		    "heaptap fail -p 1234 --rate 0.1% --seed 7 --json",
	.run = run_fail,
};

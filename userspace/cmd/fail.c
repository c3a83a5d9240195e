// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/cmd.h"
#include "cmd/fail_outside.h"

const struct cmd cmd_fail = {
	.name = "fail",
	.bit = CMD_FAIL,
	.operands = CMD_OPERANDS_NONE,
	.summary = "Make allocations fail, to see what a program does then.",
	.about = "Makes calls of the allocator fail, from outside, in a process that runs already "
		 "(-p PID): each as its contract says, with NULL and ENOMEM, the return value of "
		 "posix_memalign, the old block of realloc left as it is, std::bad_alloc. Prints "
		 "every call that was made to fail, with its stack, and says when the process ends "
		 "of it. It goes on until Ctrl-C, the time of -d, or a second after the last "
		 "failure that --count or --nth allow; then the process is as it was.\n"
		 "All that is asked for must be true of a call: its size (--size), its stack "
		 "(--only, --ignore), its turn (--nth, --rate), its path (--paths). Calls for no "
		 "bytes never fail, nor do calls by the dynamic loader, by atexit and its like, by "
		 "pthread_create, and by stacks that cannot be followed to their end. operator new "
		 "fails by the malloc it calls.\n"
		 "For that a probe writes a register of the process: the size that is asked for "
		 "becomes one that no allocator has. Linux 6.18 and newer allow it, unless they "
		 "were built to refuse it; `heaptap doctor` tells. The exit status is 128 + N when "
		 "signal N ended the process.",
	.examples = "heaptap fail -p 1234 --only parse_request --count 1   its first allocation\n"
		    "heaptap fail -p 1234 --size '>1M' -d 60               a minute without large "
		    "blocks\n"
		    "heaptap fail -p 1234 --paths --ignore libcrypto.so    each call path once\n"
		    "heaptap fail -p 1234 --rate 0.1% --seed 7 --json",
	.run = fail_outside__run,
};

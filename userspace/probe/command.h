/* SPDX-License-Identifier: BSD-2-Clause */
/* The program behind a command line: where it is, and whether a library can be put into it. */
#ifndef COMMAND_H
#define COMMAND_H

/* The file that execvp would run for name; the caller frees it. NULL: there is none. */
char *command__find(const char *name);

/*
 * Can the dynamic loader put the library at that path into the program at path, or into the
 * interpreter of the script there? 0; or -errno after a sentence: it is linked statically, is
 * set-user-ID, is made for another machine. outside: what to do instead where no library can be
 * put into it, a sentence that follows.
 */
int command__check_preload(const char *path, const char *library, const char *outside);

/* The same without a sentence: why not ("is linked statically"); NULL: it can, or there is no such
 * program. */
const char *command__why_not_preload(const char *path, const char *library);

#endif /* COMMAND_H */

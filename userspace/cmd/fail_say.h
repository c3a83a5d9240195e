/* SPDX-License-Identifier: BSD-2-Clause */
/* Sentences of heaptap fail about a command that is not what it seems to be. */
#ifndef FAIL_SAY_H
#define FAIL_SAY_H

struct fail_session;
struct fail_setup;

/* Why a command of that name cannot be run, where command__find has found none. */
void fail_say__no_program(const char *name);
/* What is strange about undisturbed runs: by that all others are judged. */
void fail_say__usual(const struct fail_setup *setup);
/* No call failed, which would look like success. */
void fail_say__nothing(const struct fail_session *session);

#endif /* FAIL_SAY_H */

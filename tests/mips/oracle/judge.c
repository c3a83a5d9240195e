// SPDX-License-Identifier: BSD-2-Clause
#include "judge.h"
#include "guest.h"
#include "places.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_SHOWN_FRAMES 200
#define MAX_MISSES	 512
#define NR_SEEN		 (1 << 16)
#define MAX_INSNS	 500

enum verdict { EQUAL, CUT, SHORT, WRONG, LONG, NR_VERDICTS };

static const char *const verdict_names[NR_VERDICTS] = {
	[EQUAL] = "equal", /* every frame, down to the last */
	[CUT] = "cut",	   /* every frame there was room for */
	[SHORT] = "short", /* what is there is right, but the outer frames are missing */
	[WRONG] = "wrong", /* a frame that is not the program's */
	[LONG] = "long",   /* more frames than are known of */
};

/* Frames that were the last right ones of stacks that differ. */
struct miss {
	enum verdict verdict;
	uint64_t pc;
	uint64_t nr;
};

/* Instructions per frame: of all walks, and of those that met only frames of earlier ones. */
struct cost {
	uint64_t nr_stacks, nr_frames, nr_insns;
};

static struct {
	pthread_mutex_t lock;
	const char *path;
	unsigned long limit, nr_shown;
	pid_t pid;
	uint64_t nr[NR_VERDICTS], nr_lost, nr_frames, nr_signals, nr_unsaved;
	struct cost all, warm;
	uint64_t nr_by_insns[MAX_INSNS + 1]; /* warm walks, by instructions a frame */
	struct miss misses[MAX_MISSES];
	unsigned nr_misses;
	uint64_t seen[NR_SEEN];
} judge = { .lock = PTHREAD_MUTEX_INITIALIZER };

void judge__init(const char *path, unsigned long limit)
{
	judge.path = path;
	judge.limit = limit;
	judge.pid = getpid();
}

static uint64_t frame_at(const struct judge_stack *stack, unsigned index)
{
	return guest__read_word(stack->frames + (uint64_t)index * guest.word_size);
}

/* Whether the frame was in an earlier stack; remembers it. One that collides is a stranger again.
 */
static bool remember(uint64_t pc)
{
	uint64_t *slot = &judge.seen[(pc * 0x9e3779b97f4a7c15u) >> 48];
	bool known = *slot == pc;

	*slot = pc;
	return known;
}

static void count_cost(const struct judge_stack *stack)
{
	struct cost *costs[] = { &judge.all, &judge.warm };
	bool warm = true;
	uint64_t each;

	for (unsigned i = 0; i < stack->nr_frames; i++)
		warm &= remember(frame_at(stack, i));
	for (int i = 0; i < (warm ? 2 : 1) && stack->nr_insns > 0; i++) {
		costs[i]->nr_stacks++;
		costs[i]->nr_frames += stack->nr_frames;
		costs[i]->nr_insns += stack->nr_insns;
	}
	if (warm && stack->nr_insns > 0 && stack->nr_frames > 0) {
		each = stack->nr_insns / stack->nr_frames;
		judge.nr_by_insns[each < MAX_INSNS ? each : MAX_INSNS]++;
	}
}

/* The true frames, innermost first: a walk over the calls. */
struct truth {
	const struct shadow *shadow;
	size_t next;	      /* the call to come is next - 1 */
	uint64_t interrupted; /* to come before it; 0: none */
};

/* Begins behind the library's own calls: those made with less stack than its hook began with. */
static struct truth truth_of(const struct shadow *shadow, uint64_t cfa)
{
	size_t next = shadow->nr;

	while (next > 0 && shadow->calls[next - 1].interrupted == 0 &&
	       shadow->calls[next - 1].sp < cfa)
		next--;
	return (struct truth){ .shadow = shadow, .next = next };
}

/* The next frame; 0: no more. *trampoline: the walker need not know of it. */
static uint64_t next_frame(struct truth *truth, bool *trampoline)
{
	const struct shadow_call *call;
	uint64_t pc = truth->interrupted;

	*trampoline = false;
	truth->interrupted = 0;
	if (pc != 0)
		return pc;
	if (truth->next == 0)
		return 0;
	call = &truth->shadow->calls[--truth->next];
	truth->interrupted = call->interrupted;
	*trampoline = call->interrupted != 0;
	return call->ret;
}

/* Compares; *nr_right becomes how many of the stack's frames are right before the first that isn't.
 */
static enum verdict compare(const struct judge_stack *stack, struct truth truth, unsigned *nr_right)
{
	bool trampoline;
	uint64_t pc;

	for (*nr_right = 0; *nr_right < stack->nr_frames; ++*nr_right) {
		pc = next_frame(&truth, &trampoline);
		judge.nr_signals += trampoline;
		if (trampoline && pc != frame_at(stack, *nr_right))
			pc = next_frame(&truth, &trampoline);
		if (pc == 0)
			return LONG;
		if (pc != frame_at(stack, *nr_right))
			return WRONG;
	}
	if (next_frame(&truth, &trampoline) == 0)
		return EQUAL;
	return stack->cut ? CUT : SHORT;
}

static void count_miss(enum verdict verdict, uint64_t pc)
{
	unsigned i = 0;

	while (i < judge.nr_misses &&
	       (judge.misses[i].pc != pc || judge.misses[i].verdict != verdict))
		i++;
	if (i == MAX_MISSES)
		return;
	if (i == judge.nr_misses)
		judge.misses[judge.nr_misses++] = (struct miss){ verdict, pc, 0 };
	judge.misses[i].nr++;
}

static void show_frame(FILE *out, const char *who, uint64_t pc)
{
	char place[PLACES_TEXT];

	places__text(place, pc);
	fprintf(out, "frame %s 0x%llx %s\n", who, (unsigned long long)pc, place);
}

static void show(const struct judge_stack *stack, struct truth truth, enum verdict verdict,
		 unsigned nr_right)
{
	FILE *out = fopen(judge.path, "a");
	bool trampoline;
	uint64_t pc;

	if (!out)
		return;
	fprintf(out, "differs %s %u %u%s\n", verdict_names[verdict], nr_right, stack->nr_frames,
		stack->lost ? " lost" : "");
	for (unsigned i = 0; i < stack->nr_frames && i < MAX_SHOWN_FRAMES; i++)
		show_frame(out, "walker", frame_at(stack, i));
	for (int i = 0; i < MAX_SHOWN_FRAMES && (pc = next_frame(&truth, &trampoline)) != 0; i++)
		show_frame(out, trampoline ? "trampoline" : "oracle", pc);
	fclose(out);
}

void judge__stack(const struct judge_stack *stack, const struct shadow *shadow)
{
	struct truth truth = truth_of(shadow, stack->cfa);
	enum verdict verdict;
	unsigned nr_right;

	pthread_mutex_lock(&judge.lock);
	if (judge.pid != getpid()) { /* a forked child: its parent reports what it inherited */
		judge__clear();
		judge.pid = getpid();
	}
	verdict = compare(stack, truth, &nr_right);
	judge.nr[verdict]++;
	judge.nr_lost += stack->lost;
	judge.nr_frames += stack->nr_frames;
	judge.nr_unsaved += shadow->nr_dropped > 0;
	if (verdict != EQUAL && verdict != CUT) {
		count_miss(verdict, nr_right > 0 ? frame_at(stack, nr_right - 1) : 0);
		if (judge.nr_shown++ < judge.limit)
			show(stack, truth, verdict, nr_right);
	}
	count_cost(stack);
	pthread_mutex_unlock(&judge.lock);
}

void judge__clear(void)
{
	memset(judge.nr, 0, sizeof(judge.nr));
	judge.nr_lost = judge.nr_frames = judge.nr_signals = judge.nr_unsaved = 0;
	judge.all = judge.warm = (struct cost){ 0 };
	judge.nr_misses = 0;
	memset(judge.nr_by_insns, 0, sizeof(judge.nr_by_insns));
}

static void write_results(FILE *out)
{
	const struct cost *costs[] = { &judge.all, &judge.warm };
	char place[PLACES_TEXT];

	for (int i = 0; i < NR_VERDICTS; i++)
		fprintf(out, "count %s %llu\n", verdict_names[i], (unsigned long long)judge.nr[i]);
	fprintf(out, "count lost %llu\ncount frames %llu\ncount signals %llu\ncount unsaved %llu\n",
		(unsigned long long)judge.nr_lost, (unsigned long long)judge.nr_frames,
		(unsigned long long)judge.nr_signals, (unsigned long long)judge.nr_unsaved);
	for (int i = 0; i < 2; i++)
		fprintf(out, "cost %s %llu %llu %llu\n", i == 0 ? "all" : "warm",
			(unsigned long long)costs[i]->nr_stacks,
			(unsigned long long)costs[i]->nr_frames,
			(unsigned long long)costs[i]->nr_insns);
	for (unsigned i = 0; i <= MAX_INSNS; i++)
		if (judge.nr_by_insns[i] > 0)
			fprintf(out, "walks %u %llu\n", i,
				(unsigned long long)judge.nr_by_insns[i]);
	for (unsigned i = 0; i < judge.nr_misses; i++) {
		places__text(place, judge.misses[i].pc);
		fprintf(out, "miss %llu %s %s\n", (unsigned long long)judge.misses[i].nr,
			verdict_names[judge.misses[i].verdict], place);
	}
}

void judge__report(void)
{
	FILE *out;

	pthread_mutex_lock(&judge.lock);
	out = judge.all.nr_stacks + judge.nr_frames > 0 && judge.pid == getpid()
		      ? fopen(judge.path, "a")
		      : NULL;
	if (out) {
		write_results(out);
		fclose(out);
		judge__clear();
	}
	pthread_mutex_unlock(&judge.lock);
}

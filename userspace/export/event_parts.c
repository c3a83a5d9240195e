// SPDX-License-Identifier: BSD-2-Clause
#include "export/event_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "base/util.h"
#include "export/json_parts.h"
#include "export/report_text.h"
#include "report/frames.h"
#include "report/function_name.h"

void event_parts__write_moment(const struct model *model, uint64_t time_ns, FILE *out)
{
	uint64_t since_ns = time_ns - min(model->start_ns, time_ns), real_ns;
	time_t seconds;
	struct tm tm;
	char text[64];

	fprintf(out, "after %" PRIu64 ".%06" PRIu64 " s", since_ns / (uint64_t)NSEC_PER_SEC,
		since_ns % (uint64_t)NSEC_PER_SEC / 1000);
	if (!model->anchor.realtime_ns)
		return;
	real_ns = anchor__realtime_ns(&model->anchor, time_ns);
	seconds = (time_t)(real_ns / NSEC_PER_SEC);
	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		fprintf(out, " (%s.%03u)", text, (unsigned)(real_ns / 1000000 % 1000));
}

void event_parts__json_moment(struct json *json, const char *seconds, const char *time,
			      const struct model *model, uint64_t time_ns)
{
	if (!time_ns) {
		json__null(json, seconds);
		json__null(json, time);
		return;
	}
	json_parts__seconds(json, seconds, time_ns - min(model->start_ns, time_ns));
	json_parts__time(json, time, anchor__realtime_ns(&model->anchor, time_ns));
}

void event_parts__json_function(struct json *json, const char *key, const struct model *model,
				uint16_t func)
{
	char *name = function_name__make(model->functions, func);

	json__string(json, key, name);
	free(name);
}

void event_parts__write_function(const struct model *model, uint16_t func, FILE *out)
{
	const struct function *function = functions__find(model->functions, func);
	char *name = function_name__make(model->functions, func);

	if (!function) {
		fprintf(out, "function %u", func);
		return;
	}
	text__print(out, name);
	free(name);
	if (!function->of_libc) {
		fputs(" of ", out);
		text__print(out, function->family);
	}
}

static struct frames frames_of(const struct model *model, const struct process *process,
			       uint32_t stack, uint64_t time_ns, uint64_t depth)
{
	struct frames frames = frames__of(model, process->space, stack, time_ns);

	if (depth && frames.nr > depth) {
		frames.nr = (uint32_t)depth;
		frames.cut = false;
	}
	return frames;
}

void event_parts__write_stack(const struct model *model, const struct process *process,
			      uint32_t stack, uint64_t time_ns, uint64_t depth, FILE *out)
{
	struct frames frames = frames_of(model, process, stack, time_ns, depth);

	report_text__write_frames(frames.frames, frames.nr, frames.cut, out);
	frames__clear(&frames);
}

void event_parts__json_stack(struct json *json, const struct model *model,
			     const struct process *process, uint32_t stack, uint64_t time_ns,
			     uint64_t depth)
{
	struct frames frames = frames_of(model, process, stack, time_ns, depth);

	json_parts__frames(json, frames.frames, frames.nr, frames.cut);
	frames__clear(&frames);
}

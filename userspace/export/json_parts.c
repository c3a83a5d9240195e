// SPDX-License-Identifier: BSD-2-Clause
#include "export/json_parts.h"

#include "base/util.h"
#include "export/time_text.h"

void json_parts__begin(struct json *json, FILE *out, const char *view, const struct model *model)
{
	uint64_t start_ns = model->start_ns;

	json__begin(json, out);
	json__object(json, NULL);
	json__string(json, "heaptap", HEAPTAP_VERSION);
	json__string(json, "view", view);
	json_parts__time(json, "began", anchor__realtime_ns(&model->anchor, start_ns));
	json_parts__seconds(json, "seconds", model->end_ns - min(start_ns, model->end_ns));
	json__uint(json, "lost_events", model->nr_lost);
	json__array(json, "processes");
}

void json_parts__end(struct json *json)
{
	json__end_array(json);
	json__end_object(json);
}

void json_parts__process(struct json *json, const struct process *process)
{
	json__object(json, NULL);
	json_parts__target(json, process);
}

void json_parts__target(struct json *json, const struct process *process)
{
	json__object(json, "target");
	json__uint(json, "pid", process->pid);
	if (process->parent)
		json__uint(json, "parent", process->parent);
	json__string(json, "exe", process->exe);
	json__string(json, "cmdline", process->cmdline);
	json_parts__time(json, "started", process->started_ns);
	if (process->is_snapshot)
		json__bool(json, "snapshot", true);
	if (process->sample_bytes)
		json__uint(json, "sample_bytes", process->sample_bytes);
	json__end_object(json);
}

void json_parts__time(struct json *json, const char *name, uint64_t realtime_ns)
{
	char text[TIME_TEXT_MAX];

	time_text__utc(text, realtime_ns);
	json__string(json, name, text);
}

void json_parts__seconds(struct json *json, const char *name, uint64_t ns)
{
	json__decimal(json, name, ns, 9);
}

void json_parts__amount(struct json *json, const char *name, struct amount amount)
{
	json__object(json, name);
	json__uint(json, "bytes", amount.bytes);
	json__uint(json, "blocks", amount.blocks);
	json__end_object(json);
}

void json_parts__costs(struct json *json, const struct costs *costs)
{
	static const char *const names[NR_COSTS] = { [COST_LIVE] = "live",
						     [COST_PEAK] = "peak",
						     [COST_TOTAL] = "allocated",
						     [COST_TEMPORARY] = "temporary",
						     [COST_FREED] = "freed" };

	for (unsigned i = 0; i < NR_COSTS; i++)
		json_parts__amount(json, names[i], costs->of[i]);
	if (costs->nr_lifetimes)
		json__uint(json, "mean_lifetime_ns",
			   (uint64_t)(costs->lifetime_ns / costs->nr_lifetimes));
	else
		json__null(json, "mean_lifetime_ns");
}

void json_parts__suppressed(struct json *json, const struct process_report *process)
{
	if (!process->nr_rules)
		return;
	json__object(json, "suppressed");
	json__uint(json, "bytes", process->suppressed.bytes);
	json__uint(json, "blocks", process->suppressed.blocks);
	json__array(json, "rules");
	for (size_t i = 0; i < process->nr_rules; i++) {
		json__object(json, NULL);
		json__string(json, "rule", process->rules[i].rule);
		json__uint(json, "bytes", process->rules[i].amount.bytes);
		json__uint(json, "blocks", process->rules[i].amount.blocks);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

void json_parts__known(struct json *json, const char *name, uint64_t value, bool known)
{
	if (known)
		json__uint(json, name, value);
	else
		json__null(json, name);
}

void json_parts__frame_members(struct json *json, const struct frame *frame)
{
	json__string(json, "function", frame->function);
	json__string(json, "file", frame->file);
	json_parts__known(json, "line", frame->line, frame->line);
	json__string(json, "module", frame->module ? frame->module->path : NULL);
	json__uint(json, "offset", frame->offset);
	json__uint(json, "address", frame->address);
	json__bool(json, "inlined", frame->inlined);
}

void json_parts__frames(struct json *json, const struct frame *frames, uint32_t nr_frames, bool cut)
{
	json__bool(json, "cut", cut);
	json__array(json, "frames");
	for (uint32_t i = 0; i < nr_frames; i++) {
		json__object(json, NULL);
		json_parts__frame_members(json, &frames[i]);
		json__end_object(json);
	}
	json__end_array(json);
}

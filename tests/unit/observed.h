/* SPDX-License-Identifier: BSD-2-Clause */
/* A model that made-up records go to, for what observes it. */
#ifndef OBSERVED_H
#define OBSERVED_H

#include "report/model.h"
#include "stream_fixture.h"

static struct model *model;

static inline void apply(const struct wire_head *record)
{
	assert_int_equal(model__apply(model, record), 0);
}

static inline void begin_model(void)
{
	const struct sym_options options = { 0 };

	model = model__new(&options);
	sink = apply;
	now_ns = 1000;
	thread = 0;
}

static inline struct process *process_of(uint32_t pid)
{
	return model__process(model, pid);
}

#endif /* OBSERVED_H */

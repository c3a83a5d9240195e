/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chooses blocks by the frames of the stacks that allocated them, as events come: for views that
 * are not made of a report. Names must be known by then.
 */
#ifndef STACK_FILTER_H
#define STACK_FILTER_H

#include "report/model.h"
#include "report/selection.h"

struct stack_filter;

/* Makes model->filter ask a selection; both outlive what is made. Each stack is judged once. */
struct stack_filter *stack_filter__new(struct model *model, struct selection *selection);
void stack_filter__free(struct stack_filter *filter);

#endif /* STACK_FILTER_H */

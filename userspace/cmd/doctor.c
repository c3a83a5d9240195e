// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include "cmd/cmd.h"
static int run_doctor(const struct options *options) { return 0; }
const struct cmd cmd_doctor = { .name = "doctor", .bit = CMD_DOCTOR, .operands = CMD_OPERANDS_TARGET, .summary = "x", .about="x", .examples="x  x", .run = run_doctor };

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs that do nothing: what is left is the price of the probes themselves. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"
#include "probe_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A session's entry side says whether the return is watched: of frees it is not. */
SEC("uprobe")
int session(void *ctx)
{
	return PROBE_ROLE(bpf_get_attach_cookie(ctx)) != PROBE_ROLE_RETURNING;
}

SEC("uprobe")
int apart(void *ctx)
{
	return 0;
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs that do nothing: what is left is the price of the probes themselves. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int on_alloc(void *ctx)
{
	return 0;
}

SEC("uprobe")
int on_free(void *ctx)
{
	return 0;
}

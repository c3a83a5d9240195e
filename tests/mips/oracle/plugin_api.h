/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of QEMU's interface for TCG plugins (version 1, QEMU 4.2 and later) that the oracle
 * uses. Debian does not package the header, so the facts are taken from QEMU's documentation, "QEMU
 * TCG Plugins" in its developers' manual, and declared here by hand.
 */
#ifndef PLUGIN_API_H
#define PLUGIN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUGIN_API __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* What QEMU tells at the start; the numbers of processors of a whole system follow in it. */
struct qemu_plugin_info {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
};

typedef void (*plugin_vcpu_fn)(qemu_plugin_id_t id, unsigned int vcpu);
typedef void (*plugin_translate_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*plugin_execute_fn)(unsigned int vcpu, void *data);
typedef void (*plugin_syscall_fn)(qemu_plugin_id_t id, unsigned int vcpu, int64_t number,
				  uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
				  uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*plugin_exit_fn)(qemu_plugin_id_t id, void *data);

/* What the third argument of the next function may be: the plugin wants no registers kept for it.
 */
#define PLUGIN_NO_REGISTERS 0

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, plugin_translate_fn fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, plugin_execute_fn fn,
					  int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, plugin_syscall_fn fn);
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, plugin_vcpu_fn fn);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, plugin_exit_fn fn, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
/* Under qemu-user: where in QEMU's own memory the instruction lies. */
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

/* What a plugin exports. */
PLUGIN_API extern int qemu_plugin_version;
PLUGIN_API int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info,
				   int argc, char **argv);

#endif /* PLUGIN_API_H */

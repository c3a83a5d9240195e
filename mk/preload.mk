# The library that is preloaded where the kernel cannot help: for this machine, and with
# CROSS_COMPILE=PREFIX for another. It is built as old compilers can, with no library but libc.
PRELOAD_OUT := $(O)$(if $(CROSS_COMPILE),/$(patsubst %-,%,$(notdir $(CROSS_COMPILE))))
PRELOAD := $(PRELOAD_OUT)/libheaptap-preload.so
PRELOAD_CC ?= $(if $(CROSS_COMPILE),$(CROSS_COMPILE)gcc,$(CC))
PRELOAD_TARGET := $(shell $(PRELOAD_CC) -dumpmachine)
# Tables are what stacks are walked by on x86-64 and arm64; on a MIPS, instructions.
PRELOAD_IS_MIPS := $(filter mips%,$(PRELOAD_TARGET))
PRELOAD_UNWINDERS := $(if $(filter x86_64% aarch64%,$(PRELOAD_TARGET)),$(filter-out %_mips.c, \
		       $(wildcard preload-fallback/unwind_*.c)),preload-fallback/unwind_absent.c \
		       $(if $(PRELOAD_IS_MIPS),$(patsubst %,preload-fallback/unwind_%.c,auxv mips module stack)))
PRELOAD_SOURCES := $(filter-out preload-fallback/unwind_%.c,$(wildcard preload-fallback/*.c)) \
		   $(PRELOAD_UNWINDERS)
PRELOAD_OBJECTS := $(PRELOAD_SOURCES:preload-fallback/%.c=$(PRELOAD_OUT)/preload/%.o) \
		   $(if $(PRELOAD_IS_MIPS),$(patsubst %.c,$(PRELOAD_OUT)/preload/%.o,$(wildcard mips-unwind/*.c)))
# $30 is the caller's frame pointer, which the scanner of stacks begins with.
PRELOAD_MACHINE := $(if $(PRELOAD_IS_MIPS),-ffixed-30 -DMIPS_UNWIND_SELF)
# Small devices: but for the walk over frames that were met before, all is compiled for size there, and across
# files. PRELOAD_LTO= for a compiler that cannot: the library is 6 % larger then.
PRELOAD_HOT := walk
# Nothing walks by tables there, and exceptions pass through this alone.
PRELOAD_THROWN := calls
PRELOAD_LTO := -flto
# Each of these was tried: it makes the library smaller.
PRELOAD_SMALL := -Os -fno-expensive-optimizations -fno-guess-branch-probability -fno-move-loop-invariants
PRELOAD_SMALLER := $(PRELOAD_SMALL) -fno-caller-saves -fno-code-hoisting -fno-tree-pre \
		   $(if $(filter mipsisa%,$(PRELOAD_TARGET)),,-mbranch-likely)
PRELOAD_OWN = $(if $(PRELOAD_IS_MIPS),-fno-asynchronous-unwind-tables $(call preload-own,$(basename $(@F))))
preload-own = $(if $(filter $(PRELOAD_THROWN),$1),$(PRELOAD_SMALL),-fno-exceptions \
		$(if $(filter $(PRELOAD_HOT),$1),,$(PRELOAD_SMALLER) $(PRELOAD_LTO)))
# -fexceptions: what operator new throws passes through the hooks. Large sections are not made larger by
# what is never called.
PRELOAD_CFLAGS := -std=gnu99 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -fexceptions \
		  -fasynchronous-unwind-tables -fno-stack-protector -fno-builtin-malloc \
		  -fno-optimize-sibling-calls -fno-ident -ffunction-sections -fdata-sections $(PRELOAD_MACHINE)
PRELOAD_CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DXXH_FORCE_MEMORY_ACCESS=0 \
		    -Ipreload-fallback -Ibpf -Imips-unwind -I$(PRELOAD_OUT)/include
PRELOAD_LDFLAGS := -shared -Wl,-soname,libheaptap-preload.so -Wl,-z,defs -Wl,-z,text -Wl,-z,now \
		   -Wl,--gc-sections -Wl,--hash-style=$(if $(PRELOAD_IS_MIPS),sysv,both)

.PHONY: preload
preload: $(PRELOAD) ## build the library for machines without BPF; CROSS_COMPILE=mipsel-linux-gnu-

# Of the machine that builds, where a cross compiler does not look.
$(PRELOAD_OUT)/include/xxhash.h:
	@mkdir -p $(@D)
	$(Q)printf '#include <xxhash.h>\n' | $(CC) -E -M -x c - | tr -s ' \\' '\n' | \
		grep -E '/(xxhash|xxh3)\.h$$' | xargs -I{} cp {} $(@D)

# A hook that has nothing to do is a jump to the real function.
$(PRELOAD_OUT)/preload/hooks.o $(PRELOAD_OUT)/preload/calls.o: PRELOAD_CFLAGS += -foptimize-sibling-calls

# Another compiler, or other flags for it, rebuild.
PRELOAD_FLAGS := $(PRELOAD_CC) $(PRELOAD_CPPFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_LTO) $(PRELOAD_LDFLAGS) $(PRELOAD_EXTRA)

$(PRELOAD_OUT)/preload/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(PRELOAD_FLAGS)' | cmp -s - $@ || echo '$(PRELOAD_FLAGS)' >$@

$(PRELOAD_OUT)/preload/%.o: preload-fallback/%.c $(PRELOAD_OUT)/include/xxhash.h mk/preload.mk \
		$(PRELOAD_OUT)/preload/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(PRELOAD_CC) $(PRELOAD_CPPFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_OWN) $(PRELOAD_EXTRA) \
		-MMD -MP -c -o $@ $<

$(PRELOAD_OUT)/preload/mips-unwind/%.o: mips-unwind/%.c mk/preload.mk $(PRELOAD_OUT)/preload/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(PRELOAD_CC) $(PRELOAD_CPPFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_OWN) $(PRELOAD_EXTRA) \
		-MMD -MP -c -o $@ $<

$(PRELOAD): $(PRELOAD_OBJECTS)
	$(call msg,LINK,$@)
	$(Q)$(PRELOAD_CC) $(PRELOAD_CFLAGS) $(PRELOAD_OWN) $(PRELOAD_LDFLAGS) $(PRELOAD_EXTRA) -o $@ $^
	$(Q)$(if $(CROSS_COMPILE),mkdir -p $(PRELOAD_OUT)/stripped && \
		$(CROSS_COMPILE)strip -o $(PRELOAD_OUT)/stripped/$(@F) $@ && \
		wc -c $(PRELOAD_OUT)/stripped/$(@F) | sed 's/^ */  STRIPPED /; s/ [^ ]*$$/ bytes: &/; s/:  */: /')

# Parts of it that unit tests try, compiled as the rest of heaptap is.
PRELOAD_PARTS := $(patsubst %,$(O)/preload-parts/%.o,block_out boot chance config fail_known fail_rules hash \
			live_set os ring sample snapshot_blocks stacks)

$(O)/preload-parts/%.o: preload-fallback/%.c $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(filter-out $(O)/unit/test_preload_unwind%,$(filter $(O)/unit/test_preload_%,$(UNIT))): $(O)/unit/%: tests/unit/%.c $(PRELOAD_PARTS) $(LIBRARY) $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -Ipreload-fallback $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		$(PRELOAD_PARTS) $(LIBRARY) -lcmocka -pthread -lm $(LIBS)

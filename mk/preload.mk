# The library that is preloaded where the kernel cannot help: for this machine, and with
# CROSS_COMPILE=PREFIX for another. It is built as old compilers can, with no library but libc.
PRELOAD_OUT := $(O)$(if $(CROSS_COMPILE),/$(patsubst %-,%,$(notdir $(CROSS_COMPILE))))
PRELOAD := $(PRELOAD_OUT)/libheaptap-preload.so
PRELOAD_CC ?= $(if $(CROSS_COMPILE),$(CROSS_COMPILE)gcc,$(CC))
PRELOAD_TARGET := $(shell $(PRELOAD_CC) -dumpmachine)
# Tables are what stacks are walked by on x86-64 and arm64; a MIPS has none.
PRELOAD_UNUSED := $(if $(filter x86_64% aarch64%,$(PRELOAD_TARGET)),, \
		    $(filter-out %/unwind_absent.c %/unwind_mips.c,$(wildcard preload-fallback/unwind_*.c)))
PRELOAD_SOURCES := $(filter-out $(PRELOAD_UNUSED),$(wildcard preload-fallback/*.c))
PRELOAD_OBJECTS := $(PRELOAD_SOURCES:preload-fallback/%.c=$(PRELOAD_OUT)/preload/%.o)
# $30 is the caller's frame pointer, which the scanner of stacks begins with.
PRELOAD_MACHINE := $(if $(filter mips%,$(PRELOAD_TARGET)),-ffixed-30)
# -fexceptions: what operator new throws passes through the hooks. Large sections are not made larger by
# what is never called.
PRELOAD_CFLAGS := -std=gnu99 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -fexceptions \
		  -fasynchronous-unwind-tables -fno-stack-protector -fno-builtin-malloc \
		  -fno-optimize-sibling-calls -ffunction-sections -fdata-sections $(PRELOAD_MACHINE)
PRELOAD_CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DXXH_FORCE_MEMORY_ACCESS=0 \
		    -Ipreload-fallback -Ibpf -Imips-unwind -I$(PRELOAD_OUT)/include
PRELOAD_LDFLAGS := -shared -Wl,-soname,libheaptap-preload.so -Wl,-z,defs -Wl,-z,text -Wl,-z,now \
		   -Wl,--gc-sections -Wl,--hash-style=both

# What is not done at each event is made small. Exceptions pass through the hooks alone; where stacks are walked
# by tables all have them, for handlers that interrupt the library.
PRELOAD_WARM := hooks real event guard ring stacks unwind%
PRELOAD_COLD := $(filter-out $(PRELOAD_WARM:%=$(PRELOAD_OUT)/preload/%.o),$(PRELOAD_OBJECTS))
PRELOAD_THROWN := $(patsubst %,$(PRELOAD_OUT)/preload/%.o,hooks real)
$(PRELOAD_COLD): PRELOAD_EXTRA += -Os
$(filter-out $(PRELOAD_THROWN),$(PRELOAD_OBJECTS)): PRELOAD_EXTRA += \
	$(if $(PRELOAD_UNUSED),-fno-exceptions -fno-asynchronous-unwind-tables -fno-unwind-tables)

.PHONY: preload
preload: $(PRELOAD) ## build the library for machines without BPF; CROSS_COMPILE=mipsel-linux-gnu-

# Of the machine that builds, where a cross compiler does not look.
$(PRELOAD_OUT)/include/xxhash.h:
	@mkdir -p $(@D)
	$(Q)printf '#include <xxhash.h>\n' | $(CC) -E -M -x c - | tr -s ' \\' '\n' | \
		grep -E '/(xxhash|xxh3)\.h$$' | xargs -I{} cp {} $(@D)

$(PRELOAD_OUT)/preload/%.o: preload-fallback/%.c $(PRELOAD_OUT)/include/xxhash.h mk/preload.mk
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(PRELOAD_CC) $(PRELOAD_CPPFLAGS) $(PRELOAD_CFLAGS) $(PRELOAD_EXTRA) -MMD -MP -c -o $@ $<

$(PRELOAD): $(PRELOAD_OBJECTS)
	$(call msg,LINK,$@)
	$(Q)$(PRELOAD_CC) $(PRELOAD_CFLAGS) $(PRELOAD_LDFLAGS) $(PRELOAD_EXTRA) -o $@ $^

# Parts of it that unit tests try, compiled as the rest of heaptap is.
PRELOAD_PARTS := $(patsubst %,$(O)/preload-parts/%.o,block_out boot config fail_known fail_rules hash os ring snapshot_blocks stacks)

$(O)/preload-parts/%.o: preload-fallback/%.c $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(filter-out $(O)/unit/test_preload_unwind%,$(filter $(O)/unit/test_preload_%,$(UNIT))): $(O)/unit/%: tests/unit/%.c $(PRELOAD_PARTS) $(LIBRARY) $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -Ipreload-fallback $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		$(PRELOAD_PARTS) $(LIBRARY) -lcmocka -pthread $(LIBS)

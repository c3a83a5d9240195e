include mk/bench.mk

# Unit tests: one program a file of tests/unit/, linked with everything but main.
$(O)/unit/%: tests/unit/%.c $(LIBRARY) $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(filter %.a,$^) -lcmocka $(LIBS)

# The preload library's unwinders are no part of the program. In a program the linker
# makes a lea, which sets no flags, of the add that gives a thread's own variable; gcc's check for NULL then
# looks at older flags.
PRELOAD_UNWIND := $(filter-out %_mips.c %_absent.c,$(wildcard preload-fallback/unwind*.c))
$(O)/unit/test_preload_unwind%: tests/unit/test_preload_unwind%.c $(PRELOAD_UNWIND) \
		$(wildcard preload-fallback/unwind*.h) bpf/wire.h $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(if $(SAN),-fno-sanitize=null) -o $@ $< $(PRELOAD_UNWIND) \
		-lcmocka -ldl -pthread

# Compiled as its own people would, not with the flags of heaptap; its frame pointers are what
# stacks of more than one frame are walked by, and every call stays one.
$(O)/leaky-server: tests/workloads/leaky-server.c mk/tests.mk
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls \
		-Wall -Wextra -pthread -o $@ $<

# ONLY=PART of a name restricts what is run. End-to-end tests find the program in HEAPTAP and build
# what they need below O.
RUN_TESTS = O=$(abspath $(O)) HEAPTAP=$(abspath $(O)/heaptap) tests/run --only '$(ONLY)'
E2E := $(sort $(wildcard tests/e2e/test_*.py))

# A build under sudo should not leave files its owner cannot remove.
GIVE_BACK = if [ "$$SUDO_UID" ]; then chown -R "$$SUDO_UID:$$SUDO_GID" $(O); fi

.PHONY: unit layers format-check check run-check demo
unit: $(UNIT) ## build and run the unit tests; needs no root
	$(Q)$(RUN_TESTS) $(UNIT)

layers: ## check which folder includes which
	$(Q)scripts/check-layers

format-check: ## compare the sources with .clang-format
	$(Q)find userspace -name '*.[ch]' | xargs clang-format --dry-run --Werror

# What is missing is installed before make looks for it: hence a make of its own for the rest.
check: ## as root: install what is missing, build, run all tests
	$(Q)scripts/setup check
	$(Q)$(MAKE) --no-print-directory run-check; status=$$?; $(GIVE_BACK); exit $$status

run-check: $(O)/heaptap $(PRELOAD) $(O)/heaptap.1 $(O)/heaptap.bash $(UNIT)
	$(Q)CLANG=$(CLANG) $(RUN_TESTS) scripts/check-layers scripts/check-fuzzers $(UNIT) $(E2E) \
		$(QUICK_KERNELS)

demo: ## as root: install what is missing, build, find the leaks of a small server
	$(Q)scripts/setup build
	$(Q)$(MAKE) --no-print-directory $(O)/heaptap $(O)/leaky-server
	$(Q)scripts/demo $(O); status=$$?; $(GIVE_BACK); exit $$status

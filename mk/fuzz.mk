# Fuzzing: each tests/fuzz/fuzz_*.c runs FUZZ_SECONDS on what it has learnt so far ($(O)/fuzz/corpus)
# and on its seeds. What it finds stays in $(O)/fuzz as fuzz_NAME-crash-*, -timeout-* or -oom-*.
FUZZ_SECONDS ?= 30
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CHOSEN := $(if $(ONLY),$(foreach f,$(FUZZ),$(if $(findstring $(ONLY),$(f)),$(f))),$(FUZZ))
FUZZ_FLAGS := -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	      -verbosity=0

.PHONY: fuzz run-fuzz
fuzz: ## run the fuzzers FUZZ_SECONDS=30 each (clang); ONLY=PART of a name
	$(Q)$(MAKE) --no-print-directory O=$(O)/fuzz CC=$(CLANG) SAN=address,undefined \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' run-fuzz

$(FUZZ:%=$(O)/%): $(O)/%: tests/fuzz/%.c $(LIBRARY) $(O)/flags
	$(call msg,FUZZ,$<)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< \
		$(LIBRARY) $(LIBS)

# What random bytes would take long to become: a small library, and its unwind section alone.
$(O)/seeds/fuzz_cfi: $(O)/fuzz_cfi
	$(Q)mkdir -p $@
	$(Q)echo 'int f(int *x) { return g(x) + __builtin_memcmp(x, x + 1, *x); }' | \
		$(CC) -w -O2 -shared -nostdlib -x c -o $@/library -
	$(Q)objcopy -O binary -j .eh_frame $@/library $@/frames
	$(Q)(printf 0 && cat $@/frames) >$@/section && rm $@/frames

run-fuzz: $(FUZZ:%=$(O)/%) $(O)/seeds/fuzz_cfi
	$(Q)set -e; for name in $(FUZZ_CHOSEN); do \
		echo "  FUZZ     $$name, $(FUZZ_SECONDS) s"; \
		mkdir -p $(O)/corpus/$$name $(O)/seeds/$$name; \
		$(O)/$$name $(FUZZ_FLAGS) -artifact_prefix=$(O)/$$name- \
			$(O)/corpus/$$name $(O)/seeds/$$name 2>$(O)/$$name.log || \
			{ tail -n 60 $(O)/$$name.log; exit 1; }; \
		sed -n 's/^stat::number_of_executed_units: */           runs: /p' $(O)/$$name.log; \
	done

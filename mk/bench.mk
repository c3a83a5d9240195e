# Benchmarks: figures to look at, not tests. Need root for the probes.
BENCH := $(addprefix $(O)/bench/,floor parts tables recording modules pairs-fp pairs-nofp)

$(O)/bench/%.bpf.o: tests/bench/%.bpf.c $(O)/flags
	$(call msg,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/floor: $(O)/bench/floor.skel.h
$(O)/bench/parts: $(O)/bench/parts.skel.h
$(addprefix $(O)/bench/,floor parts tables recording): $(O)/bench/%: tests/bench/%.c $(LIBRARY) $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIBRARY) $(LIBS)

# What a distribution builds, with frame pointers and without.
$(O)/bench/pairs-fp: PAIRS_FLAGS := -fno-omit-frame-pointer
$(O)/bench/pairs-nofp: PAIRS_FLAGS := -fomit-frame-pointer
$(O)/bench/pairs-fp $(O)/bench/pairs-nofp: tests/bench/pairs.c
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall $(PAIRS_FLAGS) -o $@ $<

$(O)/bench/modules: tests/bench/modules.c
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -pthread -o $@ $< -ldl

.PHONY: bench
bench: $(O)/heaptap $(BENCH) ## as root: measure speed and memory against the targets
	$(Q)python3 tests/bench/bench.py $(O); status=$$?; $(or $(GIVE_BACK),:); exit $$status

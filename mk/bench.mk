# Benchmarks: figures to look at, not tests. Need root for the probes.
BENCH := $(addprefix $(O)/bench/,floor parts tables recording modules ping churn pairs-fp pairs-nofp)

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

$(addprefix $(O)/bench/,modules ping churn): $(O)/bench/%: tests/bench/%.c
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -pthread -o $@ $< -ldl

# MARKDOWN=yes: the tables as README.md has them.
BENCH_FLAGS := $(if $(MARKDOWN),--markdown)

.PHONY: bench bench-servers bench-programs bench-preload
bench: $(O)/heaptap $(PRELOAD) $(BENCH) ## as root: measure speed and memory against the targets
	$(Q)python3 tests/bench/bench.py $(O) 9; status=$$?; \
		python3 tests/bench/servers.py $(O) $(BENCH_FLAGS) || status=1; \
		python3 tests/bench/programs.py $(O) $(BENCH_FLAGS) || status=1; \
		python3 tests/bench/preload.py $(O) $(BENCH_FLAGS) || status=1; \
		$(or $(GIVE_BACK),:); exit $$status

bench-servers: $(O)/heaptap $(O)/bench/ping $(O)/bench/pairs-nofp ## as root: what heaptap costs servers
	$(Q)python3 tests/bench/servers.py $(O) $(BENCH_FLAGS); status=$$?; $(or $(GIVE_BACK),:); exit $$status

bench-programs: $(O)/heaptap ## as root: what it costs programs from start to end, beside heaptrack
	$(Q)python3 tests/bench/programs.py $(O) $(BENCH_FLAGS); status=$$?; $(or $(GIVE_BACK),:); exit $$status

bench-preload: $(O)/heaptap $(PRELOAD) $(O)/bench/churn $(O)/bench/pairs-nofp ## what the preload library costs
	$(Q)python3 tests/bench/preload.py $(O) $(BENCH_FLAGS); status=$$?; $(or $(GIVE_BACK),:); exit $$status

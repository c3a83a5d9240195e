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
		$(filter %.a,$^) $(LIBS)

# What random bytes would take long to become: a small library, and its unwind section alone.
$(O)/seeds/fuzz_cfi: $(O)/fuzz_cfi
	$(Q)mkdir -p $@
	$(Q)echo 'int f(int *x) { return g(x) + __builtin_memcmp(x, x + 1, *x); }' | \
		$(CC) -w -O2 -shared -nostdlib -x c -o $@/library -
	$(Q)objcopy -O binary -j .eh_frame $@/library $@/frames
	$(Q)(printf 0 && cat $@/frames) >$@/section && rm $@/frames

# A descriptor, and a library with allocators of two families.
$(O)/seeds/fuzz_allocators: $(O)/fuzz_allocators
	$(Q)mkdir -p $@
	$(Q)echo 'char *malloc(long n) { return (char *)n; } void free(char *p) { *p = 0; }' \
		'char *mi_malloc(long n) { return malloc(n); } void mi_free(char *p) { free(p); }' | \
		$(CC) -w -O1 -shared -nostdlib -x c -o $@/library.so -
	$(Q)(printf 'malloc=0x1000(size=2) free=mi_free@file(ptr=1,family=x)\0' && \
		cat $@/library.so) >$@/both && rm $@/library.so

# Recordings of both byte orders.
$(O)/seeds/fuzz_reader: $(wildcard tests/golden/*.htap)
	$(Q)mkdir -p $@ && cp $^ $@

# A row of each dialect, and what takes them back.
$(O)/seeds/fuzz_pairing: $(O)/fuzz_pairing
	$(Q)mkdir -p $@
	$(Q)printf '"malloc";1;100;8;5;"[{\\"f\\":\\"main\\" }]"\n"free";1;100;0;6;"[]"\n"calloc";1;7;8;5;"[]"\n' \
		>$@/malloc-trace
	$(Q)printf 'pid,event,address,stack\n1,alloc,5,"[{""f"":""a""}]"\n2,alloc,5,[]\n1,free,5,[]\n2,exec,0,[]\n' \
		>$@/csv

# A path that crashed, one that leaked, and the ids of both and of a third.
$(O)/seeds/fuzz_fail_database: $(O)/fuzz_fail_database
	$(Q)mkdir -p $@
	$(Q)printf '{"id":"%s","status":"tried","function":"malloc","size":100,"run":3,%s,"stack":[%s]%s}\n' \
		00000000000000a1 '"verdict":"crash","signal":11' '{"module":"/x","build_id":"0f","offset":9}' \
		',"crash_stack":[{"module":null,"build_id":null,"offset":1}]' \
		00000000000000a2 '"verdict":"leak","exit_status":0,"client_status":1' '' \
		',"leaked_blocks":2,"leaked_bytes":30,"leaks":[{"blocks":2,"bytes":30,"stack":[]}]' >$@/both
	$(Q)(printf ' ' && cat $@/both) >$@/lines
	$(Q)(printf '\0' && printf '%s\n' 00000000000000a1 00000000000000a2 00000000000000a3) >>$@/both
	$(Q)printf '{"pid":1,"number":1,"path":"%s","function":"%s","size":8,"frames":[%s]}\n' \
		00000000000000b1 malloc '{"module":"/x","build_id":null,"offset":9}' \
		00000000000000b2 calloc '' 00000000000000b1 malloc '' >$@/log

$(O)/seeds/fuzz_json: $(O)/fuzz_json
	$(Q)mkdir -p $@
	$(Q)printf '{"a":[1,-2.5e3,true,null,"x\\n\\u00e9\\ud83d\\ude00"],"o":{"e":{},"f":[ ]}}' >$@/all

run-fuzz: $(FUZZ:%=$(O)/%) $(O)/seeds/fuzz_cfi $(O)/seeds/fuzz_allocators $(O)/seeds/fuzz_reader \
	  $(O)/seeds/fuzz_pairing $(O)/seeds/fuzz_fail_database $(O)/seeds/fuzz_json
	$(Q)set -e; for name in $(FUZZ_CHOSEN); do \
		echo "  FUZZ     $$name, $(FUZZ_SECONDS) s"; \
		mkdir -p $(O)/corpus/$$name $(O)/seeds/$$name; \
		$(O)/$$name $(FUZZ_FLAGS) -artifact_prefix=$(O)/$$name- \
			$(O)/corpus/$$name $(O)/seeds/$$name 2>$(O)/$$name.log || \
			{ tail -n 60 $(O)/$$name.log; exit 1; }; \
		sed -n 's/^stat::number_of_executed_units: */           runs: /p' $(O)/$$name.log; \
	done

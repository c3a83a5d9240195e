# The scanning unwinder as the tests use it on this machine; the preload library compiles it itself.
MIPS_UNWIND := $(O)/libmips_unwind.a
MIPS_UNWIND_OBJECTS := $(patsubst mips-unwind/%.c,$(O)/obj/mips-unwind/%.o,$(wildcard mips-unwind/*.c))

$(O)/obj/mips-unwind/%.o: mips-unwind/%.c $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -std=gnu99 -MMD -MP -c -o $@ $<

$(MIPS_UNWIND): $(MIPS_UNWIND_OBJECTS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(filter $(O)/unit/test_mips_%,$(UNIT)) $(O)/fuzz_mips: $(MIPS_UNWIND)

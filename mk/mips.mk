# MIPS programs and machines under QEMU; what they need is fetched once, into HEAPTAP_CACHE (default
# ~/.cache/heaptap), and what cannot be had is skipped. Not a part of check: it takes minutes.
MIPS_TESTS := $(sort $(wildcard tests/mips/test_*.py))

.PHONY: check-mips
check-mips: $(O)/heaptap ## run the tests of MIPS under QEMU (scripts/setup mips); ONLY=PART of a name
	$(Q)$(RUN_TESTS) --timeout 1800 $(MIPS_TESTS)

# heaptap on the kernels of Debian's suites, in emulated machines (scripts/kernel-vm). Kernels are fetched
# once, into HEAPTAP_CACHE (default ~/.cache/heaptap); what cannot be had is skipped. Of these, check has
# check-kernels-quick, which fetches nothing and takes at most 100 s.
KERNELS ?=

QUICK_KERNELS := tests/kernels/test_quick.py

.PHONY: check-kernels check-kernels-quick
check-kernels: $(O)/heaptap $(PRELOAD) ## test on other kernels under QEMU (scripts/setup kernels); KERNELS="5.10 newest"
	$(Q)KERNELS='$(KERNELS)' $(RUN_TESTS) --timeout 1800 tests/kernels/test_kernels.py

check-kernels-quick: $(O)/heaptap $(PRELOAD) ## the part of that which make check has
	$(Q)$(RUN_TESTS) $(QUICK_KERNELS)

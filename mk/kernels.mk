# heaptap on the kernels of Debian's suites, in emulated machines (scripts/kernel-vm). Kernels are fetched
# once, into HEAPTAP_CACHE (default ~/.cache/heaptap); what cannot be had is skipped. Not a part of check.
KERNELS ?=

.PHONY: check-kernels
check-kernels: $(O)/heaptap $(PRELOAD) ## test on other kernels under QEMU (scripts/setup kernels); KERNELS="5.10 newest"
	$(Q)KERNELS='$(KERNELS)' $(RUN_TESTS) --timeout 1800 tests/kernels/test_kernels.py

# Unit tests: one program a file of tests/unit/, linked with everything but main.
$(O)/unit/%: tests/unit/%.c $(LIBRARY) $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIBRARY) -lcmocka $(LIBS)

.PHONY: unit
unit: $(UNIT) ## build and run the unit tests (no root needed)
	$(Q)for test in $(UNIT); do $$test || exit 1; done

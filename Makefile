# heaptap: see README.md. `make help` lists what can be made.
#   V=1 shows the commands   O=DIR builds elsewhere   SAN=address,undefined builds with sanitizers

O ?= build
V ?= 0
PREFIX ?= /usr/local
VERSION := 0.1.0

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(shell scripts/find-bpftool || echo bpftool)
ARCH := $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(ARCH)))

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	    -Wpointer-arith -Wwrite-strings -Wno-unused-parameter
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
# xxHash 0.8.2 (Ubuntu 24.04) reads memory in a way that breaks C's aliasing rules, and gcc then
# hashes structs before they are filled; 0 is memcpy, which is as fast.
ALL_CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DHEAPTAP_VERSION='"$(VERSION)"' \
		-DXXH_FORCE_MEMORY_ACCESS=0 -Iuserspace -Ibpf -Imips-unwind -I$(O) $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(WARNINGS) -fstack-protector-strong $(SANFLAGS) $(CFLAGS)
LIBS := -lbpf -ldw -lelf -lcapstone -lxxhash -lz -llzma -liberty
BPF_CFLAGS := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra \
	      -Wno-unused-parameter -Wno-gnu-variable-sized-type-not-at-end \
	      -Ibpf -Ivmlinux/$(ARCH) -I/usr/include/$(ARCH)-linux-gnu

ALL_FLAGS = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(CLANG) $(BPF_CFLAGS)

ifeq ($(V),1)
Q :=
msg :=
else
Q := @
msg = @printf '  %-8s %s\n' $(1) $(2);
endif

SOURCES := $(filter-out userspace/main.c,$(wildcard userspace/*/*.c))
OBJECTS := $(SOURCES:userspace/%.c=$(O)/obj/%.o)
LIBRARY := $(O)/libheaptap.a
SKELETON := $(O)/heaptap.skel.h
UNIT := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))

.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all: $(O)/heaptap preload ## build build/heaptap and build/libheaptap-preload.so

include mk/docs.mk mk/preload.mk mk/tests.mk mk/fuzz.mk mk/mips-unwind.mk mk/mips.mk mk/kernels.mk

$(O)/heaptap: $(O)/obj/main.o $(LIBRARY)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(OBJECTS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The flags are a prerequisite: another SAN= or CFLAGS= rebuilds.
$(O)/flags: FORCE
	@mkdir -p $(O)
	@echo '$(ALL_FLAGS)' | cmp -s - $@ || echo '$(ALL_FLAGS)' >$@

$(O)/obj/%.o: userspace/%.c $(O)/flags
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# It must be there before who includes it is first compiled; from then on the .d files know.
$(filter $(O)/obj/source/%,$(OBJECTS)): | $(SKELETON)

$(O)/%.bpf.o: bpf/%.bpf.c $(O)/flags
	$(call msg,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf >$@

.PHONY: install uninstall clean help FORCE
install: $(O)/heaptap $(PRELOAD) $(O)/heaptap.1 $(O)/heaptap.bash ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(O)/heaptap $(DESTDIR)$(PREFIX)/bin/heaptap
	install -D -m 644 $(PRELOAD) $(DESTDIR)$(PREFIX)/lib/heaptap/libheaptap-preload.so
	install -D -m 644 $(O)/heaptap.1 $(DESTDIR)$(PREFIX)/share/man/man1/heaptap.1
	install -D -m 644 $(O)/heaptap.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/heaptap

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/heaptap $(DESTDIR)$(PREFIX)/share/man/man1/heaptap.1
	rm -f $(DESTDIR)$(PREFIX)/lib/heaptap/libheaptap-preload.so
	[ ! -d $(DESTDIR)$(PREFIX)/lib/heaptap ] || rmdir $(DESTDIR)$(PREFIX)/lib/heaptap
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/heaptap

clean: ## remove what was built
	rm -rf $(O)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  V=1 shows the commands, O=DIR builds elsewhere, SAN=address,undefined adds sanitizers'

-include $(shell find $(O) -name '*.d' 2>/dev/null)

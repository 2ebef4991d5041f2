# SPDX-License-Identifier: GPL-2.0-or-later
#
# runawayd: `make help` lists the targets and the variables.

VERSION := 0.1.0
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
CLANGS  ?= $(patsubst /usr/bin/clang-%,%,$(wildcard /usr/bin/clang-1[4-9]))
STRIP   ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?= 0
V       ?= 0

ARCH    := $(shell uname -m)
BPFARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(ARCH)))
B       := build$(if $(filter 1,$(SAN)),/san)
INCLUDE := include
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' "$(1)" "$(2)")

comma   := ,
LIBS    := libbpf libelf zlib libcjson libmicrohttpd libsodium gnutls yaml-0.1 libcrypt
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           -Wformat=2 -Wno-format-nonliteral $(if $(filter true 1,$(CI) $(WERROR)),-Werror)
CFLAGS  ?= -O2 -g
FORTIFY ?= -D_FORTIFY_SOURCE=2
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SAN_FLAGS) \
           -fno-strict-aliasing -fstack-protector-strong $(FORTIFY) \
           -I$(INCLUDE) -Iuser -I$B/bpf \
           -DRUNAWAY_VERSION='"$(VERSION)"' -DRUNAWAY_COMMIT='"$(COMMIT)"'
LDFLAGS ?=
ALL_LDFLAGS = $(LDFLAGS) $(SAN_OBJ) -Wl,-z,relro,-z,now -pie

# Whatever a sanitizer finds ends the process, and is kept where the tests look for it. Their checks for
# null make gcc believe in null where there is none: no such warnings.
ifeq ($(SAN),1)
SAN_FLAGS := -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
             -fno-omit-frame-pointer -Wno-format-truncation
# Its functions are not watched.
FORTIFY   := -U_FORTIFY_SOURCE
SAN_OBJ   := $B/tests/sanitizer.o
endif
LDLIBS   = $(shell pkg-config --libs $(LIBS)) -lm

# Rooms, in the order in which data flows. A room's archive may use those before it.
ROOMS   := base sensor model lanes incident out
room_src = $(sort $(wildcard user/$(1)/*.c))
room_obj = $(patsubst user/%.c,$B/user/%.o,$(call room_src,$(1)))
# What daemon and client have to know of the gate: its documents and its messages, no more.
GATE_DOC := canonical document key reason wire
ARCHIVES := $(foreach r,$(ROOMS) gatedoc,$B/lib/$r.a)
# Linked in the opposite order: users first.
LINKED   = $B/lib/out.a $B/lib/incident.a $B/lib/lanes.a $B/lib/model.a $B/lib/sensor.a $B/lib/gatedoc.a $B/lib/base.a

# The sensor's objects are one skeleton; the gate's guard is loaded by another program, so it is another.
BPF_SRC := $(sort $(filter-out bpf/gate.bpf.c,$(wildcard bpf/*.bpf.c)))
BPF_OBJ := $(patsubst bpf/%.bpf.c,$B/bpf/%.bpf.o,$(BPF_SRC))
SKEL    := $B/bpf/runaway.skel.h
GATE_SKEL := $B/bpf/gate.skel.h
GUARD_OBJ := $(patsubst user/%.c,$B/user/%.o,$(sort $(wildcard user/gate/guard*.c)))
GATE_OBJ := $(filter-out $(GUARD_OBJ) $(GATE_DOC:%=$B/user/gate/%.o) %/main.o,$(call room_obj,gate))

BIN     := $B/bin/runawayd $B/bin/runawayctl $B/bin/runaway-gate
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT    := $(patsubst tests/unit/%.c,$B/tests/unit/%,$(UNIT_SRC))
HELPER_SRC := $(sort $(wildcard tests/helpers/*.c))
HELPERS := $(patsubst tests/helpers/%.c,$B/tests/helpers/%,$(HELPER_SRC))
VM_BIN  := $B/tests/vm/init $B/tests/vm/load_object $B/tests/vm/accessors
# Unit tests that the kernel of the guest matters to: UNIT of tests/vm/image.py.
VM_UNIT := $B/tests/unit/gate/test_confine

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: coverage gate-tests san-flags fuzz fuzzers mutants all bin run check check-unit check-e2e check-vm check-style soak deps test-deps bench install helpers arm64 \
        uninstall clean help vmlinux format lint tests clang-objects

all: bin

## build the daemon and the client
bin: $(BIN)

# The object of a program that needs the skeleton waits for it; depfiles know the rest.
$B/user/%.o: user/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(call room_obj,sensor): | $(SKEL)
$(GUARD_OBJ): | $(GATE_SKEL)

define archive_rule
$B/lib/$(1).a: $(call room_obj,$(1))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call archive_rule,$r)))

$B/lib/gatedoc.a: $(GATE_DOC:%=$B/user/gate/%.o)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$B/bin/runawayd: $(call room_obj,daemon) $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(call room_obj,daemon) $(LINKED) $(LDLIBS)

# The client speaks only the control protocol: nothing but `base` is linked, and what it signs.
$B/bin/runawayctl: $(call room_obj,cli) $B/lib/gatedoc.a $B/lib/base.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter-out $(SAN_OBJ),$^) $(shell pkg-config --libs libcjson libsodium) -lm

BPF_CC = $(CLANG) -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
	 -Wno-gnu-variable-sized-type-not-at-end -D__TARGET_ARCH_$(BPFARCH) -Ivmlinux/$(ARCH) \
	 -I$(INCLUDE) -Ibpf

# BPF objects, by job, linked into one skeleton.
$B/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CC) -MMD -MP -MT $@ -c -o $@ $<
	$(Q)$(STRIP) -g $@

$B/bpf/runaway.bpf.o.linked: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $B/bpf/runaway.bpf.o.linked
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name rw_bpf > $@

$(GATE_SKEL): $B/bpf/gate.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name rw_gate_bpf > $@

# The kernel guard alone: what runaway-gate holds, and what its attackers in tests are held by.
$B/lib/guard.a: $(GUARD_OBJ)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

# Authoriser and actuator without main().
$B/lib/gate.a: $(GATE_OBJ)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

GATE_LINKED := $B/lib/gate.a $B/lib/guard.a $B/lib/gatedoc.a $B/lib/base.a
GATE_LIBS   = $(shell pkg-config --libs libbpf libelf zlib libcjson libsodium) -lm
$B/bin/runaway-gate: $B/user/gate/main.o $(GATE_LINKED)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter-out $(SAN_OBJ),$^) $(GATE_LIBS)

# Tests that let a step of the gate fail or wait do it when they are linked; nothing in the gate knows.
wrapped = $(shell cat $(1) $$(grep -q gate/acting.h $(1) && echo tests/unit/gate/acting.h) | \
              sed -n 's|^.* linked with --wrap:\([a-z_ ]*\).*|\1|p')

# Unit tests: every tests/unit/<room>/test_*.c is a program of its own.
$B/tests/unit/%: tests/unit/%.c $(ARCHIVES) $(call room_obj,daemon) $B/lib/guard.a $B/lib/gate.a
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/unit -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< \
	    $(if $(findstring unit/daemon/,$<),$(filter-out %/main.o,$(call room_obj,daemon))) \
	    $(if $(findstring unit/cli/,$<),$(filter-out %/main.o,$(call room_obj,cli))) \
	    $(if $(or $(findstring unit/gate/,$<),$(findstring unit/daemon/,$<)),$(patsubst %,-Wl$(comma)--wrap=%,$(call wrapped,$<))) \
	    $(if $(findstring unit/gate/,$<),$B/lib/gate.a $B/lib/guard.a) \
	    $(LINKED) $(LDLIBS) -lcmocka

# Parsers of hostile bytes, each with one driver: ours with the same bytes each time, or libFuzzer's.
FUZZ_SRC := $(filter-out tests/fuzz/driver.c,$(sort $(wildcard tests/fuzz/*.c)))
FUZZ     := $(patsubst tests/%.c,$B/tests/%,$(FUZZ_SRC))
FUZZ_DRIVER := tests/fuzz/driver.c
FUZZ_FLAGS  := -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
$(FUZZ): $B/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $(ARCHIVES) $(call room_obj,daemon) $B/lib/guard.a $B/lib/gate.a $(SAN_OBJ)
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -Itests/unit -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(FUZZ_DRIVER) \
	    $(if $(filter %/config,$@),$(filter-out %/main.o,$(call room_obj,daemon))) \
	    $B/lib/gate.a $B/lib/guard.a $(LINKED) $(LDLIBS) -lcmocka
fuzzers: $(FUZZ)

$B/tests/helpers/%: tests/helpers/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< -pthread -lm

# What is watched is no program of ours: nothing is looked for in it.
$(HELPERS): SAN_FLAGS :=

# The attacker of the gate holds the guard that is to hold it.
GATE_ATTACK := $(sort $(wildcard tests/helpers/gate/*.c))
HELPERS += $B/tests/helpers/gate_attack
$B/tests/helpers/gate_attack: $(GATE_ATTACK) tests/helpers/gate/attack.h tests/helpers/helper.h $B/lib/guard.a $B/lib/base.a
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(GATE_ATTACK) $B/lib/guard.a $B/lib/base.a \
	    $(LDLIBS) -pthread

$(call room_obj,cli): ALL_CFLAGS += -DRUNAWAY_CLI

# Each program's own object is in there as well as the runtimes: the sanitizer's options, and its reports.
$(SAN_OBJ): tests/sanitizer.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DRUNAWAY_SAN_REPORTS='"$(abspath $B)/sanitizer-reports"' -MMD -MP -c -o $@ $<
$(BIN) $(UNIT) $B/tests/helpers/gate_attack: $(SAN_OBJ)
san-flags:
	@echo '$(SAN_FLAGS)'

# First process of a guest: nothing else is there when it starts.
$B/tests/vm/init: tests/vm/init.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARN) -O2 -static -MMD -MP -MF $@.d -o $@ $<

# What differs between kernels, by the accessors of the sensor itself and nothing of its programs.
$B/tests/vm/accessors.bpf.o: tests/vm/accessors.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CC) -Itests/vm -MMD -MP -MT $@ -c -o $@ $<
	$(Q)$(STRIP) -g $@

$B/tests/vm/accessors.skel.h: $B/tests/vm/accessors.bpf.o $B/bpf/features.bpf.o $B/bpf/path.bpf.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen object $B/tests/vm/accessors.o $^
	$(Q)$(BPFTOOL) gen skeleton $B/tests/vm/accessors.o name accessors_bpf > $@

$B/tests/vm/accessors: ALL_CFLAGS += -I$B/tests/vm
$B/tests/vm/accessors: | $B/tests/vm/accessors.skel.h

$B/tests/vm/%: tests/vm/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(shell pkg-config --libs libbpf libelf zlib)

tests: bin $(UNIT) $(FUZZ) $(HELPERS) $(VM_BIN) clang-objects $B/upgraded/bin/runawayd

# The daemon of another build, whose maps are laid out otherwise: tests upgrade to it.
UP := $B/upgraded
$(UP)/bin/runawayd: $B/bin/runawayd
	$(Q)mkdir -p $(UP)/include/runaway $(@D)
	$(Q)for h in include/runaway/*.h; do \
	    sed 's/^\t__u32 hierarchy_id;$$/&\n\t__u64 spare;/' $$h > $@.h; \
	    cmp -s $@.h $(UP)/$$h || cp $@.h $(UP)/$$h; done
	$(Q)$(MAKE) --no-print-directory B=$(UP) INCLUDE=$(UP)/include $(UP)/lib/sensor.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(call room_obj,daemon) \
	    $(LINKED:$B/lib/sensor.a=$(UP)/lib/sensor.a) $(LDLIBS)

## the BPF objects by each clang that is supported and installed, in $B/clang-*
clang-objects:
	$(Q)for v in $(CLANGS); do \
	    $(MAKE) --no-print-directory CLANG=clang-$$v B=$B/clang-$$v \
	        $B/clang-$$v/bpf/runaway.bpf.o.linked $B/clang-$$v/bpf/gate.bpf.o || exit 1; \
	done

## programs, helpers and objects for arm64, in build/arm64, against a Debian root of its own
arm64:
	$(Q)root=$$(scripts/fetch-root arm64) && lib=$$root/usr/lib/aarch64-linux-gnu && \
	    PKG_CONFIG_SYSROOT_DIR=$$root PKG_CONFIG_LIBDIR=$$lib/pkgconfig:$$root/usr/share/pkgconfig \
	    $(MAKE) --no-print-directory ARCH=aarch64 B=build/arm64 \
	        CC="aarch64-linux-gnu-gcc --sysroot=$$root" bin helpers clang-objects

helpers: $(HELPERS) $(VM_BIN)

## install what is missing, build, and run the sensor on this host in the foreground
run:
	$(Q)scripts/install-deps build
	$(Q)$(MAKE) --no-print-directory bin
	$(Q)exec $B/bin/runawayd

# All processors, unless somebody said how many.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

## install what the tests need and pass all of them
check:
	$(Q)scripts/install-deps build test
	$(Q)$(MAKE) --no-print-directory $(JOBS) WERROR=1 bin tests
	$(Q)scripts/run-tests $B $(if $(filter 1,$(SAN)),unit e2e soak)

## unit tests only (no privilege)
check-unit: tests
	$(Q)scripts/run-tests $B unit

## end-to-end tests only (root)
check-e2e: tests
	$(Q)scripts/run-tests $B e2e

## tests in virtual machines only; KERNELS="5.10 6.12" names some, WRITE=1 renews docs/kernels.md
check-vm:
	$(Q)scripts/install-deps build test
	$(Q)$(MAKE) --no-print-directory $(JOBS) WERROR=1 bin helpers $(VM_UNIT) clang-objects $(UP)/bin/runawayd \
	    $(if $(KERNELS),$(filter arm64,$(KERNELS)),arm64)
	$(Q)scripts/run-tests $B vm
	$(Q)$(if $(filter 1,$(WRITE)),tests/vm/table.py $B)

## storms of docs/soak.md with their full counts, lint to its full depth (root, long)
soak: tests
	$(Q)scripts/install-deps build test soak
	$(Q)$(MAKE) --no-print-directory arm64
	$(Q)RUNAWAY_SOAK=full scripts/check-tidy $B
	$(Q)scripts/soak $B

## libFuzzer on each parser of hostile bytes, FUZZ_S=60 seconds each (FUZZ_ONLY="config store" names some)
fuzz:
	$(Q)scripts/install-deps build fuzz
	$(Q)$(MAKE) --no-print-directory $(JOBS) SAN=0 B=build/fuzz CC=clang-19 FUZZ_DRIVER= FORTIFY=-U_FORTIFY_SOURCE \
	    CFLAGS='-O1 -g -fsanitize=fuzzer-no-link $(FUZZ_FLAGS)' \
	    LDFLAGS='-fsanitize=fuzzer' fuzzers
	$(Q)scripts/fuzz build/fuzz $(FUZZ_ONLY)

GATE_UNIT := $(filter $B/tests/unit/gate/%,$(UNIT))
gate-tests: $(GATE_UNIT)

## branch coverage of the gate by its unit tests: 100 %, or it fails
coverage:
	$(Q)$(MAKE) --no-print-directory B=build/cov CFLAGS='-O0 -g --coverage -U_FORTIFY_SOURCE' LDFLAGS=--coverage gate-tests
	$(Q)scripts/coverage build/cov

## change each condition of the gate and see that a test fails (MUTATE=all: every file, minutes)
mutants: $B/lib/gate.a $B/lib/guard.a $B/lib/gatedoc.a $B/lib/base.a
	$(Q)CC='$(CC)' CFLAGS='$(subst ','"'"',$(ALL_CFLAGS))' LIBS='$(GATE_LIBS)' scripts/mutate-gate $B $(MUTATE)

## formatting, lint, room order, spelling of the build
check-style: $(SKEL) $(GATE_SKEL) $B/tests/vm/accessors.skel.h
	$(Q)scripts/run-tests $B style

## install build dependencies
deps:
	$(Q)scripts/install-deps build

## install test dependencies
test-deps:
	$(Q)scripts/install-deps build test

## benchmarks of docs/benchmarks.md
bench: tests
	$(Q)scripts/install-deps build test bench
	$(Q)scripts/bench $B

## make vmlinux/$(ARCH)/vmlinux.h anew from BTF=FILE (default: this kernel)
vmlinux:
	$(Q)scripts/gen-vmlinux $(or $(BTF),/sys/kernel/btf/vmlinux) $(ARCH)

## apply clang-format
format:
	$(Q)clang-format-19 -i $$(git ls-files '*.c' '*.h' | grep -v '^vmlinux/')

## install into $(DESTDIR)$(PREFIX)
install: bin
	install -D -m 0755 $B/bin/runawayd $(DESTDIR)$(PREFIX)/sbin/runawayd
	install -D -m 0755 $B/bin/runaway-gate $(DESTDIR)$(PREFIX)/sbin/runaway-gate
	install -D -m 0755 $B/bin/runawayctl $(DESTDIR)$(PREFIX)/bin/runawayctl
	install -D -m 0644 deploy/prometheus/alerts.yml $(DESTDIR)$(PREFIX)/share/runawayd/alerts.yml
	install -D -m 0644 deploy/completion/runawayctl.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/runawayctl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/sbin|$(PREFIX)/sbin|' deploy/systemd/runawayd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/runawayd.service
	install -D -m 0644 deploy/systemd/runawayd.service.d/gate.conf \
	    $(DESTDIR)$(PREFIX)/share/runawayd/runawayd.service.d/gate.conf
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/runawayd/README.md

## remove what install put there
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/runawayd $(DESTDIR)$(PREFIX)/sbin/runaway-gate $(DESTDIR)$(PREFIX)/bin/runawayctl
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/runawayctl \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/runawayd.service
	rm -rf $(DESTDIR)$(PREFIX)/share/runawayd $(DESTDIR)$(PREFIX)/share/doc/runawayd

## remove the build folder
clean:
	rm -rf build

## this text
help:
	@echo 'Targets:'
	@awk '/^## /{d=substr($$0,4);next} d&&/^[a-z0-9-]+:/{sub(/:.*/,"");printf "  %-13s %s\n",$$0,d;d=""}' Makefile
	@echo 'Variables:'
	@echo '  V=1           print the commands'
	@echo '  SAN=1         address and undefined-behaviour sanitizers, in build/san'
	@echo '  WERROR=1      warnings are errors (always so with CI=true)'
	@echo '  DESTDIR= PREFIX=   where install puts things ($(PREFIX))'
	@echo '  CC= CLANG= BPFTOOL=   tools ($(CC), $(CLANG), $(BPFTOOL))'

-include $(shell find build -name '*.d' 2>/dev/null)

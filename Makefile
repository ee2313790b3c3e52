# sfzb: Salesforce change events into Delta tables. `make help` lists the targets.

MODE    ?= release
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
ifeq ($(MODE),fuzz)
CC      := clang
endif
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build/$(MODE)-$(notdir $(firstword $(CC)))
V       ?= 0

GEN     := $(BUILD)/gen
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Wno-format-nonliteral -Wundef -Wconversion -Wno-sign-conversion
HARDEN  := -fstack-protector-strong -fPIE
CFLAGS  ?= -O2 -g
LDFLAGS ?=
MODE_CFLAGS_release  := -D_FORTIFY_SOURCE=2
MODE_CFLAGS_asan     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_CFLAGS_tsan     := -O1 -fno-omit-frame-pointer -fsanitize=thread
MODE_CFLAGS_coverage := -O0 --coverage
MODE_CFLAGS_fuzz     := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
MODE_LDFLAGS_asan     := -fsanitize=address,undefined
MODE_LDFLAGS_tsan     := -fsanitize=thread
MODE_LDFLAGS_coverage := --coverage
MODE_LDFLAGS_fuzz     := -fsanitize=address,undefined
ifeq ($(filter $(MODE),release asan tsan coverage fuzz),)
$(error MODE=$(MODE): must be release, asan, tsan, coverage or fuzz)
endif
# gRPC, Abseil and OpenSSL are not built for TSan, which cannot see their locks: what they do inside is not looked at
# (test_rpc would otherwise drown in reports, one for every eight bytes that it sends). Its executor may leave a thread unjoined.
ifeq ($(MODE),tsan)
export TSAN_OPTIONS := ignore_noninstrumented_modules=1 report_thread_leaks=0 halt_on_error=1 $(TSAN_OPTIONS)
endif
ifeq ($(CI),true)
WERROR  := -Werror
endif

# -iquote, not -I: <avro/schema.h> of the library must not find ours.
CPPFLAGS_ALL := -D_GNU_SOURCE -iquote src -I$(GEN) -I$(GEN)/proto -Itests/unit $(CPPFLAGS)
CFLAGS_ALL   := -std=c17 $(CFLAGS) $(MODE_CFLAGS_$(MODE)) $(HARDEN) $(WARN) $(WERROR)
LDFLAGS_ALL  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(MODE_LDFLAGS_$(MODE))
LIBS         := -lgrpc -lgpr -lprotobuf-c -lavro -lcurl -lcjson -lssl -lcrypto -lsqlite3 -lmicrohttpd -ljq -lpthread -lm

# Debian's names of what is needed to build, and to test besides.
PACKAGES_BUILD := gcc libc6-dev make libgrpc-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev \
    libavro-dev libcurl4-openssl-dev libcjson-dev libssl-dev libsqlite3-dev libmicrohttpd-dev libjq-dev ca-certificates
PACKAGES_TEST  := clang libclang-rt-dev libcmocka-dev bats parallel python3 python3-grpcio python3-avro python3-protobuf \
    jq curl openssl binutils procps util-linux

Q_0 := @
Q   := $(Q_$(V))

CORE_DIRS := base avro http profile rpc stream salesforce databricks
CORE_SRC  := $(foreach d,$(CORE_DIRS),$(wildcard src/$(d)/*.c))
CLI_SRC   := src/main.c $(wildcard src/commands/*.c) $(wildcard src/cli/*.c)
EMU_SRC   := $(wildcard src/emulator/*.c)
PROTOS    := pubsub_api zerobus google/protobuf/duration google/protobuf/descriptor
GEN_SRC   := $(PROTOS:%=$(GEN)/proto/%.pb-c.c)
GEN_HDR   := $(GEN_SRC:.c=.h)
GEN_OBJ   := $(GEN_SRC:.c=.o)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE_OBJ  := $(call obj,$(CORE_SRC))
CLI_OBJ   := $(call obj,$(CLI_SRC))
EMU_OBJ   := $(call obj,$(EMU_SRC))
LIB       := $(BUILD)/libsfzb.a
PROGRAMS  := $(BUILD)/sfzb $(BUILD)/sfzb-emulator

# Unit tests: tests/unit/test_X.c is a program of its own, linked with the core, the command-line
# layer and the emulator's parts (but no main).
UNIT_SRC  := $(wildcard tests/unit/test_*.c)
UNIT_BIN  := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
PARTS     := $(BUILD)/libparts.a
PARTS_OBJ := $(filter-out %/main.o,$(CLI_OBJ) $(EMU_OBJ))

.DELETE_ON_ERROR:
.SECONDARY: $(GEN_HDR) $(GEN_SRC) $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/*/*.c))
.PHONY: all help deps deps-build check check-stages check-unit check-cli check-layers parts tools fuzzers fuzz coverage demo bench \
    prove prove-mutations docs install uninstall clean

all: $(PROGRAMS) ## build sfzb and sfzb-emulator (MODE=release|asan|tsan|coverage|fuzz, CC=gcc|clang)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A changed compiler or flag rebuilds everything: the stamp's content is what the objects were made with.
STAMP_TEXT := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(STAMP_TEXT)' | cmp -s - $@ || printf '%s\n' '$(STAMP_TEXT)' > $@
FORCE:

$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(GEN)/proto -Iproto -I/usr/include $<
$(GEN)/proto/google/%.pb-c.c $(GEN)/proto/google/%.pb-c.h: /usr/include/google/%.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(GEN)/proto -I/usr/include google/$*.proto
$(GEN)/proto/%.pb-c.o: $(GEN)/proto/%.pb-c.c $(GEN_HDR) $(BUILD)/flags
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS) $(MODE_CFLAGS_$(MODE)) -fPIE -w -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(GEN_HDR)
	@mkdir -p $(@D)
	@[ '$(V)' = 1 ] || echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(CORE_OBJ) $(GEN_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(PARTS): $(PARTS_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/sfzb: $(CLI_OBJ) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(CLI_OBJ) $(LIB) $(LIBS)
$(BUILD)/sfzb-emulator: $(EMU_OBJ) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(EMU_OBJ) $(LIB) $(LIBS)
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(PARTS) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(PARTS) $(LIB) $(PARTS) -lcmocka $(LIBS)

parts: $(LIB) $(PARTS)

# Peers and benches: small programs of the tests, linked like the unit tests.
TOOL_SRC := $(wildcard tests/tables/*.c tests/bench/*.c)
TOOL_BIN := $(TOOL_SRC:%.c=$(BUILD)/%)
$(TOOL_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(PARTS) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(PARTS) $(LIB) $(PARTS) -lcmocka $(LIBS)
# Preloaded by the proving ground: kills the process, or fails a call, at the nth write, sync, send …
SHIM := $(BUILD)/tests/faults/shim.so
$(SHIM): tests/faults/shim.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra $(WERROR) -fPIC -shared -o $@ $< -ldl
tools: $(TOOL_BIN) $(SHIM)

# Fuzz targets: with MODE=fuzz libFuzzer programs; in every other mode programs that replay the corpus.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
ifeq ($(MODE),fuzz)
FUZZ_MAIN := -fsanitize=fuzzer
else
FUZZ_MAIN := $(BUILD)/obj/tests/fuzz/replay.o
endif
$(FUZZ_BIN): $(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(filter %.o,$(FUZZ_MAIN)) $(PARTS) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(FUZZ_MAIN) $(PARTS) $(LIB) $(PARTS) $(LIBS)
fuzzers: $(FUZZ_BIN)

fuzz: ## fuzz each target for FUZZ_SECONDS (default 600; one: make fuzz FUZZ=avro)
	@$(MAKE) --no-print-directory MODE=fuzz -j2 fuzzers
	@BUILD=build/fuzz-clang tests/fuzz/run $(FUZZ)

check-layers: ## check who includes whom against src/LAYERS
	$(Q)tests/layers

check-unit: $(UNIT_BIN) ## run the unit tests (one: make check-unit UNIT=test_base)
	$(Q)tests/unit/run $(if $(UNIT),$(BUILD)/tests/$(UNIT),$(UNIT_BIN))

check-cli: all tools ## run the tests of the command line (one file: make check-cli FILE=tests/cli/tail.bats)
	@BUILD=$(BUILD) tests/cli/run $(FILE)

coverage: ## run both with counters and print the share of lines that ran, folder by folder (about 10 minutes)
	@$(MAKE) --no-print-directory MODE=coverage CC=gcc -j2 all parts $(UNIT_SRC:tests/unit/%.c=build/coverage-gcc/tests/%)
	@tests/coverage build/coverage-gcc

deps: ## install the packages that are missing to build and to test, from the distribution
	@tests/deps $(PACKAGES_BUILD) $(PACKAGES_TEST)
deps-build:
	@tests/deps $(PACKAGES_BUILD)

check: deps ## run all tests (one stage: make check STAGE=unit)
	@$(MAKE) --no-print-directory check-stages
check-stages:
	@BUILD=$(BUILD) tests/check $(STAGE)

demo: deps-build ## stream 60,000 change events of a local Salesforce into a local table, with a crash on the way
	@$(MAKE) --no-print-directory -j2 all
	@PATH="$(CURDIR)/$(BUILD):$$PATH" tests/demo

prove: ## the proving ground in its long form: kills, faults, full disks, soak (an hour at most)
	@$(MAKE) --no-print-directory -j2 all tools
	@BUILD=$(BUILD) tests/faults/prove.py --long

prove-mutations: ## switch off one guarantee after the other: the tests must notice each (about 20 minutes)
	@$(MAKE) --no-print-directory -j2 all tools parts
	@BUILD=$(BUILD) tests/faults/mutations

bench: ## measure events a second and memory on the emulator
	@$(MAKE) --no-print-directory -j2 all tools
	@BUILD=$(BUILD) tests/bench/run

docs: $(PROGRAMS) ## make the man pages and completion scripts anew from the program's tables
	$(Q)rm -f man/*.1
	$(Q)$(BUILD)/sfzb help --man > man/sfzb.1
	$(Q)for c in $$($(BUILD)/sfzb help --names commands); do $(BUILD)/sfzb help --man $$c > man/sfzb-$$c.1; done
	$(Q)$(BUILD)/sfzb-emulator --man > man/sfzb-emulator.1
	$(Q)$(BUILD)/sfzb help --completion bash > completions/sfzb.bash
	$(Q)$(BUILD)/sfzb help --completion zsh > completions/_sfzb
	$(Q)$(BUILD)/sfzb help --completion fish > completions/sfzb.fish

install: all ## install under DESTDIR/PREFIX (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/sfzb.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sfzb
	install -m 644 completions/_sfzb $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sfzb
	install -m 644 completions/sfzb.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sfzb.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/sfzb $(DESTDIR)$(PREFIX)/bin/sfzb-emulator \
	    $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/*.1)) \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sfzb \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sfzb \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sfzb.fish

clean: ## remove the build folder
	rm -rf build

-include $(CORE_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(EMU_OBJ:.o=.d) $(UNIT_SRC:%.c=$(BUILD)/obj/%.d) $(TOOL_SRC:%.c=$(BUILD)/obj/%.d) $(FUZZ_SRC:%.c=$(BUILD)/obj/%.d) $(BUILD)/obj/tests/fuzz/replay.d

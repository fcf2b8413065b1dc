# foretell. `make help` lists the targets; `make config=debug` or `config=sanitize` builds beside the release build,
# `V=1` shows the commands.
config  ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
B       := build/$(config)
say      = $(if $(V),,@echo '$(1)	$@'; )

MACHINE  := $(shell $(CC) -dumpmachine | cut -d- -f1)

# These make memory errors harder to exploit, and end the program when one is detected.
HARDENING_x86_64  := -fcf-protection
HARDENING_aarch64 := -mbranch-protection=standard
HARDENING         := -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
                     $(HARDENING_$(MACHINE))
LINK_release      := -pie -Wl,-z,relro,-z,now,-z,noexecstack

FLAGS_release  := -O3 -g $(HARDENING)
FLAGS_debug    := -O0 -g3
FLAGS_sanitize := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan     := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
# No -ffast-math: it deletes NaN checks. No contraction: a*b+c keeps its two roundings unless the code says fma.
# The program and both libraries share their objects. Position-independent code costs the program no time,
# because a hidden symbol needs no indirection.
BASE_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. -isystem /usr/include/stb -fopenmp -fPIC \
              -fvisibility=hidden -fno-math-errno -fno-trapping-math -ffp-contract=off -Wall -Wextra -Wshadow \
              -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wconversion -Wsign-conversion -Wformat=2 \
              -Werror=format-security -DFORETELL_VERSION='"$(VERSION)"' $(FLAGS_$(config)) $(WERROR)
BLAS_LIBS := $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas)
# For --at /REGEX/.
PCRE_LIBS := $(shell pkg-config --libs libpcre2-8 2>/dev/null || echo -lpcre2-8)
LDLIBS    := $(PCRE_LIBS) -lm
# The program alone writes and reads traces, so the library needs no JSON.
JSON_LIBS := $(shell pkg-config --libs jansson 2>/dev/null || echo -ljansson)
# For the screen of explore.
CURSES_LIBS := $(shell pkg-config --libs ncursesw 2>/dev/null || echo -lncursesw -ltinfo)

# Each instruction set is a translation unit of its own; the table is chosen at run time, so the binary stays portable.
ISA_x86_64  := avx2 avx512
ISA_aarch64 := neon neondot
ISA         := $(ISA_$(MACHINE))
OTHER_ISA   := $(filter-out $(ISA),$(ISA_x86_64) $(ISA_aarch64))
FLAGS_avx2    := -mavx2 -mfma -mf16c
FLAGS_neondot := -march=armv8.2-a+dotprod
FLAGS_avx512  := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c -mprefer-vector-width=512

# Rooms and files are found by name: a new file or a new room needs no line here.
below         = $(shell find $(1) -name '$(2)' | LC_ALL=C sort)
LIB_ROOMS    := tensor tokenizer model sampler
LIB_SOURCES  := $(filter-out $(OTHER_ISA:%=tensor/kernels_%.c),$(call below,$(LIB_ROOMS),*.c))
TOOL_SOURCES := $(filter-out tools/examples/%,$(call below,tools,*.c))
SUPPORT      := $(wildcard tests/support/*.c)
# All test programs are in build/CONFIG/tests/, so the name of each must be unique.
TEST_SOURCES  := $(call below,tests,test_*.c)
BENCH_SOURCES := $(call below,tests,bench_*.c)
FUZZ_SOURCES  := $(wildcard tests/fuzz/fuzz_*.c)
SHELL_SOURCES := $(filter-out tests/support/%,$(call below,tests,*.sh))
programs      = $(patsubst %.c,$(B)/tests/%,$(notdir $(1)))
TESTS        := $(call programs,$(TEST_SOURCES))
BENCHES      := $(call programs,$(BENCH_SOURCES))
FUZZERS      := $(FUZZ_SOURCES:tests/fuzz/%.c=%)
SHIPPED      := weights/tales-6m-q8_0.gguf weights/CARD.md

SONAME       := libforetell.so.0
INSTALLED    := bin/foretell include/foretell.h lib/libforetell.a lib/$(SONAME) lib/libforetell.so \
                lib/pkgconfig/foretell.pc share/man/man1/foretell.1 share/man/man3/foretell.3 \
                $(SHIPPED:weights/%=share/foretell/%)

.PHONY: all lib run test test-threads test-programs bench deps install uninstall layers format format-check fuzz clean help
.SECONDARY:
all: foretell                        ## build ./foretell (release) or build/CONFIG/foretell

foretell: $(B)/foretell
	@if [ $(config) = release ]; then cp --remove-destination $< $@; fi

$(B)/foretell: $(TOOL_SOURCES:%.c=$(B)/%.o) $(B)/libforetell.a
	$(call say,link)$(CC) $(BASE_FLAGS) $^ $(LINK_$(config)) $(LDFLAGS) $(JSON_LIBS) $(CURSES_LIBS) $(LDLIBS) -o $@

$(B)/libforetell.a: $(LIB_SOURCES:%.c=$(B)/%.o)
	@rm -f $@
	$(call say,archive)$(AR) rcs $@ $^

# The installed libraries export foretell.h alone. The archive is one object whose other symbols are local, so that
# none of them can clash with a program's own.
lib: $(B)/lib/libforetell.a $(B)/lib/$(SONAME)  ## build the libraries for other programs in build/CONFIG/lib

$(B)/lib/libforetell.a: $(LIB_SOURCES:%.c=$(B)/%.o)
	@mkdir -p $(@D) && rm -f $@
	$(call say,archive)$(CC) -nostdlib -r $^ -o $(@D)/foretell.o
	@$(shell $(CC) -print-prog-name=objcopy) --wildcard --keep-global-symbol='foretell_*' $(@D)/foretell.o
	@$(AR) rcs $@ $(@D)/foretell.o && rm $(@D)/foretell.o

$(B)/lib/$(SONAME): $(LIB_SOURCES:%.c=$(B)/%.o) tools/scripts/libforetell.map
	@mkdir -p $(@D)
	$(call say,link)$(CC) $(BASE_FLAGS) -shared -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=tools/scripts/libforetell.map $(filter %.o,$^) $(filter-out -pie,$(LINK_$(config))) \
	    $(LDFLAGS) $(LDLIBS) -o $@

$(B)/foretell.3: foretell.h tools/scripts/man3
	$(call say,manual)tools/scripts/man3 foretell.h $(VERSION) > $@

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,compile)$(CC) $(BASE_FLAGS) $(FLAGS_$(patsubst tensor/kernels_%,%,$*)) $(CFLAGS) -MMD -MP -c $< -o $@

# gcc 12 for AArch64 crashes when it vectorises a loop of fmax(double, float), which some tests have.
ifeq ($(MACHINE),aarch64)
$(B)/tests/%.o: BASE_FLAGS += -fno-tree-vectorize
endif

$(foreach source,$(TEST_SOURCES) $(BENCH_SOURCES),$(eval $(B)/tests/$(notdir $(source:.c=)): $(B)/$(source:.c=.o)))

# The tests intercept every allocation and can make it fail.
$(TESTS): $(SUPPORT:%.c=$(B)/%.o) $(B)/libforetell.a
	$(call say,link)$(CC) $(BASE_FLAGS) -Wl,--wrap=memory_alloc -Wl,--wrap=memory_free $(filter %.o,$^) $(filter %.a,$^) \
	    $(LINK_$(config)) $(LDFLAGS) -lcmocka $(LDLIBS) -o $@

$(BENCHES): $(B)/libforetell.a
	$(call say,link)$(CC) $(BASE_FLAGS) $(filter %.o,$^) $(filter %.a,$^) $(LINK_$(config)) $(LDFLAGS) $(LDLIBS) -o $@

# The library loads OpenBLAS itself when it needs it (tensor/blas.h).
$(B)/tests/bench_gemm: LDLIBS += $(BLAS_LIBS)

$(B)/tests/fuzz_trace: $(B)/tools/trace/trace_read.o
$(B)/tests/fuzz_trace: LDLIBS += $(JSON_LIBS)
# These use the support code of the tests: random models, checks of sessions.
$(B)/tests/fuzz_forward $(B)/tests/fuzz_session $(B)/tests/fuzz_foretell: $(SUPPORT:%.c=$(B)/%.o)
$(B)/tests/fuzz_forward $(B)/tests/fuzz_session $(B)/tests/fuzz_foretell: LDLIBS += -lcmocka
$(B)/tests/fuzz_forward $(B)/tests/fuzz_session $(B)/tests/fuzz_foretell: LDFLAGS += -Wl,--wrap=memory_alloc -Wl,--wrap=memory_free
$(B)/tests/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libforetell.a
	$(call say,link)$(CC) $(BASE_FLAGS) $(filter %.o,$^) $(filter %.a,$^) $(LINK_$(config)) $(LDFLAGS) $(LDLIBS) -o $@

run: foretell                        ## write a story with the shipped model
	./foretell -p "Once upon a time"

# Wrong files, each with the message that it must cause.
$(B)/tests/bad/manifest: tests/bad/make.py tests/bad/formats.py
	python3 tests/bad/make.py $(@D)

# only=truncate, only='tokenizer/ cli/help.sh': the tests whose path below tests/ contains one of the words.
has_word = $(strip $(foreach word,$(only),$(findstring $(word),$(1:tests/%=%))))
chosen   = $(if $(strip $(only)),$(foreach test,$(1),$(if $(call has_word,$(test)),$(test))),$(1))

test-programs: $(call programs,$(call chosen,$(TEST_SOURCES) $(FUZZ_SOURCES))) $(B)/tests/bad/manifest \
               $(if $(strip $(call chosen,$(SHELL_SOURCES))),$(B)/foretell lib $(B)/foretell.3)

test: test-programs                  ## all tests, or those named by only=NAME; ends with "N passed, N failed, N skipped"
	@RERUN='make $(if $(filter-out release,$(config)),config=$(config) )test only=' tests/run $(B) $(only)

# libgomp is not built for the thread sanitizer, which would see races in it: so each session has one thread, and the
# threads of the test are pthreads.
test-threads:                        ## sessions in several threads, the examples and Python under the thread sanitizer
	@OMP_NUM_THREADS=1 $(MAKE) --no-print-directory config=tsan test only='test_threads_apart examples.sh python.sh'

bench: foretell $(BENCHES)           ## speed, compared with this machine's limits
	@for program in $(BENCHES); do $$program && echo || exit 1; done
	@./foretell bench

deps:                                ## install the Debian packages (asks before it uses sudo)
	@tools/scripts/deps test

# OpenMP's library for a program that links the archive: gcc's is found by other compilers, too.
OPENMP_LIBS := $(if $(findstring clang,$(shell $(CC) --version)),-fopenmp,-lgomp)

define PKG_CONFIG_FILE
prefix=$(PREFIX)
includedir=$${prefix}/include
libdir=$${prefix}/lib
model=$${prefix}/share/foretell/$(notdir $(filter %.gguf,$(SHIPPED)))

Name: foretell
Description: a small LLaMA inference engine that looks one token ahead
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lforetell
Libs.private: $(OPENMP_LIBS) $(LDLIBS)
endef
export PKG_CONFIG_FILE

install: $(B)/foretell lib $(B)/foretell.3 $(SHIPPED)  ## program, libraries, header, manual and model; PREFIX, DESTDIR
	@for file in $(INSTALLED:%=$(DESTDIR)$(PREFIX)/%); do mkdir -p "$${file%/*}" || exit 1; done
	install -m 755 $(B)/foretell $(DESTDIR)$(PREFIX)/bin/
	install -m 644 foretell.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(B)/lib/libforetell.a $(B)/lib/$(SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libforetell.so
	install -m 644 tools/foretell.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(B)/foretell.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 $(SHIPPED) $(DESTDIR)$(PREFIX)/share/foretell/
	@echo "$$PKG_CONFIG_FILE" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/foretell.pc
	@if [ -z "$(DESTDIR)" ] && [ -w /etc/ld.so.cache ]; then ldconfig; fi

uninstall:                           ## remove what install put there
	rm -f $(INSTALLED:%=$(DESTDIR)$(PREFIX)/%)
	@rmdir --ignore-fail-on-non-empty $(wildcard $(DESTDIR)$(PREFIX)/share/foretell) 2>/dev/null || true

fuzz: ; @tests/fuzz/fuzz $(FUZZERS)  ## fuzz parsers, forward pass and session, a minute each (clang)

layers: ; @tests/layers              ## check that includes point one way
format: ; clang-format -i $$(git ls-files '*.c' '*.h' 'tools/examples/*.cpp')  ## format the sources
format-check: ; clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h' 'tools/examples/*.cpp')

clean: ; rm -rf build foretell       ## remove what was built

help:                                ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

-include $(shell find build -name '*.d' 2>/dev/null)

# make demo                          nfscope at work in private namespaces (root)
# make test                          everything that is tested, on real kernels
# make vm KERNEL=6.12 CMD='…'        run a command in a guest; nfscope is there
# make bench ARGS='5.10 6.18'        what it costs, in guest instructions; 6.1, 6.12, 7.2
# make check-symbols                 nfscope symbolize against addr2line, gdb (fetches 750 MB)
# make release                       the statically linked program
#
# For the arm64 guest a second nfscope is built, where Rust has that target's
# library; ARM64=no leaves it out. What is left out is counted as skipped.
# ARGS adds arguments: make test ARGS='--kernel 6.12 --scenario article'; --every
# runs all scenarios on all kernels, which takes some 15 minutes more

MACHINE := $(shell uname -m)
TARGET := $(MACHINE)-unknown-linux-gnu
STATIC := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release
KERNEL ?= 6.12
CMD ?= nfscope doctor
ARGS ?=
JOBS ?= $(shell nproc)
ARM64_TARGET := aarch64-unknown-linux-gnu
ARM64_LIBRARY = $(wildcard $(shell rustc --print target-libdir --target $(ARM64_TARGET) 2>/dev/null))
ARM64_STATIC := $(or $(CARGO_TARGET_DIR),target)/$(ARM64_TARGET)/release
# A recipe hands it to the guest's shell as it is.
export CMD

static_build = RUSTFLAGS="-C target-feature=+crt-static" \
	LIBBPF_SYS_LIBRARY_PATH=/usr/lib/$(MACHINE)-linux-gnu \
	cargo build --release --target $(TARGET)

.PHONY: check-symbols demo test test-kernels vm release lab lab-arm64

release:
	.ci/setup build
	$(static_build) -p nfscope --features nfscope/static
	@echo $(STATIC)/nfscope

demo:
	.ci/setup build
	cargo build --release -p nfscope
	$(or $(CARGO_TARGET_DIR),target)/release/nfscope demo

# nfscope and the lab, all without shared libraries: the guest has its own.
lab:
	.ci/setup test
	$(static_build) -p nfscope -p nfscope-lab --features nfscope/static

# The same programs for arm64, with clang and that architecture's libraries.
lab-arm64: lab
	root=$$($(STATIC)/nfscope-lab sysroot) && \
	CC_aarch64_unknown_linux_gnu=$$root/cc AR_aarch64_unknown_linux_gnu=llvm-ar \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$$root/cc \
	RUSTFLAGS="-C target-feature=+crt-static" LIBBPF_SYS_LIBRARY_PATH=$$root/static \
	cargo build --release --target $(ARM64_TARGET) -p nfscope -p nfscope-lab \
		--bin nfscope --bin nfscope-guest --features nfscope/static

test:
	.ci/setup test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(if $(filter 0,$(shell id -u)),NFSCOPE_LEAVE_OUT=nothing) cargo test --workspace
	@$(if $(filter 0,$(shell id -u)),true,echo "skipped: the tests named root_*, which need root")
	$(MAKE) --no-print-directory test-kernels

# Not in the recipe above: setup may install what is asked for here.
ifeq ($(ARM64),no)
test-kernels: arm64 = --no-arm64 "make ARM64=no"
test-kernels: lab
else ifeq ($(findstring --kernel,$(ARGS))$(findstring arm64,$(ARGS)),--kernel)
test-kernels: lab
else ifeq ($(ARM64_LIBRARY),)
test-kernels: arm64 = --no-arm64 "Rust has no library for $(ARM64_TARGET) here"
test-kernels: lab
else
test-kernels: arm64 = --arm64 $(ARM64_STATIC)
test-kernels: lab lab-arm64
endif
test-kernels:
	$(STATIC)/nfscope-lab test --jobs $(JOBS) --nfscope $(STATIC)/nfscope \
		--guest $(STATIC)/nfscope-guest $(arm64) $(ARGS)

bench: lab
	benches/run.sh --lab $(STATIC)/nfscope-lab --nfscope $(STATIC)/nfscope --jobs $(JOBS) $(ARGS)

check-symbols: lab
	$(STATIC)/nfscope-lab symbols --nfscope $(STATIC)/nfscope $(or $(ARGS),6.1 6.12)

# The folder with the programs that a kernel's guest runs.
programs = $(if $(filter %arm64,$(KERNEL)),$(ARM64_STATIC),$(STATIC))
vm: lab $(if $(filter %arm64,$(KERNEL)),lab-arm64)
	mkdir -p $(programs)/share
	cp $(programs)/nfscope $(programs)/nfscope-guest $(programs)/share
	$(STATIC)/nfscope-lab vm $(KERNEL) --share $(programs)/share $(ARGS) -- "$$CMD"

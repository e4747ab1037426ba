# make demo                          nfscope at work in private namespaces (root)
# make test                          everything that is tested, on real kernels
# make vm KERNEL=6.12 CMD='…'        run a command in a guest; nfscope is there
# make release                       the statically linked program
#
# ARM64=no leaves out the arm64 guest, for which a second nfscope is built.
# ARGS adds arguments: make test ARGS='--kernel 6.12 --scenario article'

MACHINE := $(shell uname -m)
TARGET := $(MACHINE)-unknown-linux-gnu
STATIC := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release
KERNEL ?= 6.12
CMD ?= nfscope doctor
ARGS ?=
JOBS ?= $(shell nproc)
ARM64 ?= yes
ARM64_TARGET := aarch64-unknown-linux-gnu
ARM64_STATIC := $(or $(CARGO_TARGET_DIR),target)/$(ARM64_TARGET)/release
# A recipe hands it to the guest's shell as it is.
export CMD ARM64

static_build = RUSTFLAGS="-C target-feature=+crt-static" \
	LIBBPF_SYS_LIBRARY_PATH=/usr/lib/$(MACHINE)-linux-gnu \
	cargo build --release --target $(TARGET)

.PHONY: demo test vm release lab lab-arm64

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
	cargo test --workspace
	$(MAKE) --no-print-directory lab $(if $(filter yes,$(ARM64)),lab-arm64)
	$(STATIC)/nfscope-lab test --jobs $(JOBS) --nfscope $(STATIC)/nfscope \
		--guest $(STATIC)/nfscope-guest \
		$(if $(filter yes,$(ARM64)),--arm64 $(ARM64_STATIC)) $(ARGS)

vm: lab
	mkdir -p $(STATIC)/share
	cp $(STATIC)/nfscope $(STATIC)/nfscope-guest $(STATIC)/share
	$(STATIC)/nfscope-lab vm $(KERNEL) --share $(STATIC)/share $(ARGS) -- "$$CMD"

# make demo                          nfscope at work in private namespaces (root)
# make test                          everything that is tested, on real kernels
# make vm KERNEL=6.12 CMD='…'        run a command in a guest; nfscope is there
# make release                       the statically linked program
#
# ARGS adds arguments: make test ARGS='--kernel 6.12 --scenario article'

MACHINE := $(shell uname -m)
TARGET := $(MACHINE)-unknown-linux-gnu
STATIC := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release
KERNEL ?= 6.12
CMD ?= nfscope doctor
ARGS ?=
JOBS ?= $(shell nproc)
# A recipe hands it to the guest's shell as it is.
export CMD

static_build = RUSTFLAGS="-C target-feature=+crt-static" \
	LIBBPF_SYS_LIBRARY_PATH=/usr/lib/$(MACHINE)-linux-gnu \
	cargo build --release --target $(TARGET)

.PHONY: demo test vm release lab

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

test:
	.ci/setup test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace
	$(MAKE) --no-print-directory lab
	$(STATIC)/nfscope-lab test --jobs $(JOBS) --nfscope $(STATIC)/nfscope \
		--guest $(STATIC)/nfscope-guest $(ARGS)

vm: lab
	mkdir -p $(STATIC)/share
	cp $(STATIC)/nfscope $(STATIC)/nfscope-guest $(STATIC)/share
	$(STATIC)/nfscope-lab vm $(KERNEL) --share $(STATIC)/share $(ARGS) -- "$$CMD"

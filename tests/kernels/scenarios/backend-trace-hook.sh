# The rule is found by the function that the kernel's tracing calls.
# architectures: amd64 arm64
backend_rules
nfscope_start --backend trace-hook
expect_backend trace_hook

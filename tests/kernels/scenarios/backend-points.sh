# The rule is found by probe points inside nft_do_chain.
# architectures: amd64 arm64
backend_rules

nfscope_start --backend points
expect_backend points

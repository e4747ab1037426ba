# The rule is found by the kernel's trace messages, with consent: a table of
# nfscope's own, which is gone when it ends.
# architectures: amd64 arm64
backend_rules
before=$(within server nft list ruleset)
! within server nfscope drops --backend netlink-trace --duration 10ms >/dev/null 2>"$ERRORS" ||
    fail "the ruleset was changed without consent"
expect_text "--allow-ruleset-change"
consent=--allow-ruleset-change
within server nfscope drops --backend netlink-trace $consent --duration 10ms >/dev/null 2>"$ERRORS" ||
    skip "$(tail -n 1 "$ERRORS")"
nfscope_start --backend netlink-trace $consent --netns server
expect_backend netlink_trace
expect_equal "the ruleset afterwards" "$(within server nft list ruleset)" "$before"

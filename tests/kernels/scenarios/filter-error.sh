# A filter that libpcap does not understand: its message, a caret, status 2.
status=0
nfscope drops 'tcp prot 5' >"$EVENTS" 2>"$ERRORS" || status=$?
expect_equal "status" "$status" 2
expect_text "syntax error"
expect_text "^"
expect_text "tcp prot 5"

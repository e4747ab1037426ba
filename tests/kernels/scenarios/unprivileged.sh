# Without privileges: one sentence that names what is missing, status 1.
status=0
setpriv --reuid nobody --regid nogroup --clear-groups nfscope drops >"$EVENTS" 2>"$ERRORS" ||
    status=$?
expect_equal "status" "$status" 1
expect_text "CAP_"

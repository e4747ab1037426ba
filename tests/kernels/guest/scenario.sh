#!/bin/bash
# Runs one scenario: its file with the functions of lib.sh.
# shellcheck disable=SC1090,SC1091
. /tmp/share/lib.sh
trap 'echo "line $LINENO: status $?: $BASH_COMMAND"' ERR
. "$1"

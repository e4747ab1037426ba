#!/bin/bash
# Measures in guests, one for each part of guest.sh and kernel, and prints
# tables. Fails if a measurement could not be made, never because a limit is
# exceeded.
#   run.sh --lab FILE --nfscope FILE [--jobs N] [--parts "PART…"] [KERNEL…]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
jobs=2
parts='accepted dropped traced legacy others start'
while [ $# -gt 0 ]; do
    case $1 in
    --lab) lab=$2 ;;
    --nfscope) nfscope=$2 ;;
    --jobs) jobs=$2 ;;
    --parts) parts=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- 6.1 6.12 7.2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/share"
cp "$nfscope" "$work/share/nfscope"
cp "$here/guest.sh" "$work/share"
cc -O2 -Wall -Wextra -Werror -static -D_GNU_SOURCE "$here/meter.c" -o "$work/share/meter"
for kind in fentry kprobe; do
    clang -O2 -g -target bpf "-D${kind^^}" -c "$here/empty.bpf.c" -o "$work/share/$kind.bpf.o"
done

clang -O2 -g -target bpf -DFENTRY '-DFUNCTION="ipt_do_table"' -c "$here/empty.bpf.c" \
    -o "$work/share/table.bpf.o"

measure() {
    local log=$work/$1.$2.log
    "$lab" vm "$1" --icount --timeout 3600 --share "$work/share" -- bash guest.sh "$2" >"$log" 2>&1 || {
        echo "bench: $1 $2 could not be measured:"
        tail -n 20 "$log"
        return 1
    } >&2
    echo "bench: $1 $2: $((SECONDS - $3)) s" >&2
}

# What is not cached is fetched before anything runs at the same time.
"$lab" fetch "$@" >/dev/null
failed=0
for kernel in "$@"; do
    for part in $parts; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
        measure "$kernel" "$part" $SECONDS &
    done
done
while [ -n "$(jobs -p)" ]; do wait -n || failed=1; done
files=()
for kernel in "$@"; do
    cat "$work/$kernel".*.log >"$work/$kernel.txt"
    files+=("$work/$kernel.txt")
done
awk -f "$here/table.awk" "${files[@]}"
exit $failed

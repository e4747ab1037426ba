# Makes the tables of what the guests said: a file KERNEL.txt for each kernel,
# with lines `@ KEY VALUE…` (see guest.sh). Ends with a line for each limit.

FNR == 1 {
    kernel = FILENAME
    sub(/.*\//, "", kernel)
    sub(/\.txt$/, "", kernel)
    kernels[++count] = kernel
}

$1 == "@" {
    value[kernel, $2] = $3
    second[kernel, $2] = $4
    third[kernel, $2] = $5
    rest = $0
    sub(/^@ [^ ]* [^ ]* ?/, "", rest)
    reason[kernel, $2] = rest
}

function thousands(n,    sign, text) {
    sign = n < 0 ? "-" : ""
    text = sprintf("%.0f", n < 0 ? -n : n)
    while (match(text, /[0-9][0-9][0-9][0-9](,|$)/))
        text = substr(text, 1, RSTART) "," substr(text, RSTART + 1)
    return sign text
}

function known(kernel, key) {
    return (kernel, key) in value && value[kernel, key] ~ /^[0-9]+$/
}

# A cell, or `-` with the reason as a note below the table.
function cell(kernel, key, text) {
    if (known(kernel, key)) return text
    if ((kernel, key) in reason) notes[kernel ": " reason[kernel, key]]
    return "-"
}

function heading(text,    i) {
    printf "\n%-58s", text
    for (i = 1; i <= count; i++) printf "%12s", kernels[i]
    print ""
}

function row(label, cells,    i) {
    printf "%-58s", label
    for (i = 1; i <= count; i++) printf "%12s", cells[i]
    print ""
}

# What KEY has, as it is.
function plain(label, key,    i, cells) {
    for (i = 1; i <= count; i++)
        cells[i] = cell(kernels[i], key, thousands(value[kernels[i], key]))
    row(label, cells)
}

# What KEY has more than BASE.
function added(label, key, base,    i, k, cells) {
    for (i = 1; i <= count; i++) {
        k = kernels[i]
        cells[i] = cell(k, key, sprintf("%s%s", value[k, key] < value[k, base] ? "" : "+",
            thousands(value[k, key] - value[k, base])))
    }
    row("  " label, cells)
}

# What other processes took of each packet's time.
function beside(label, key,    i, k, cells) {
    for (i = 1; i <= count; i++) {
        k = kernels[i]
        cells[i] = cell(k, key, thousands(second[k, key] - value[k, key]))
    }
    row("    " label, cells)
}

function seconds(label, key,    i, cells) {
    for (i = 1; i <= count; i++)
        cells[i] = cell(kernels[i], key, sprintf("%.2f", value[kernels[i], key] / 1e9))
    row(label, cells)
}

function megabytes(label, key, which,    i, k, n, cells) {
    for (i = 1; i <= count; i++) {
        k = kernels[i]
        n = which == 1 ? value[k, key] : which == 2 ? second[k, key] : third[k, key]
        cells[i] = cell(k, key, sprintf("%.1f", n / 1024))
    }
    row(label, cells)
}

function show_notes(    note, any) {
    for (note in notes) print "  - " note
    delete notes
}

function check(k, what, measured, limit, unit) {
    printf "%-5s %-6s %-52s %10s of %s %s\n", measured <= limit ? "OK" : "OVER", k, what,
        measured == int(measured) ? thousands(measured) : sprintf("%.2f", measured),
        limit == int(limit) ? thousands(limit) : limit, unit
}

# The backend that nfscope takes by itself, as its options call it.
function automatic(k) {
    if (reason[k, "backend"] ~ /frame/ || value[k, "backend"] ~ /frame/) return "frame"
    if (reason[k, "backend"] ~ /points/ || value[k, "backend"] ~ /points/) return "points"
    if (reason[k, "backend"] ~ /trace hook/) return "trace-hook"
    return "tracepoint"
}

END {
    split("frame points trace-hook tracepoint", backends, " ")
    print "Instructions that the guest executes for each packet, sent and received over"
    print "loopback. +N: added to the same loop with nothing attached, in the packet's own"
    print "path; \"beside it\": in other processes (nfscope reading, writing JSON Lines)."

    heading("Accepted")
    plain("no rules", "bare")
    plain("51 rules, the last accepts", "accept")
    added("empty fentry program on nft_do_chain", "accept.fentry", "accept")
    added("empty kprobe program on nft_do_chain", "accept.kprobe", "accept")
    for (b = 1; b in backends; b++) {
        added("nfscope drops, " backends[b], "accept." backends[b], "accept")
    }
    added("a trace rule and nft monitor trace", "others.monitor", "others")
    beside("beside it", "others.monitor")
    added("bpftrace, counting calls of nft_do_chain", "others.bpftrace-count", "others")
    added("bpftrace, the script that prints at each rule", "others.bpftrace", "others")
    beside("beside it", "others.bpftrace")
    added("pwru, its filter rejects", "others.pwru-reject", "others")
    added("pwru, its filter takes", "others.pwru-take", "others")
    beside("beside it", "others.pwru-take")
    show_notes()

    heading("Dropped")
    plain("51 rules, the last drops", "drop")
    for (b = 1; b in backends; b++) {
        added("nfscope drops, " backends[b] ", filter rejects", "drop." backends[b] ".reject", "drop")
        added("nfscope drops, " backends[b] ", filter takes", "drop." backends[b] ".take", "drop")
        beside("beside it", "drop." backends[b] ".take")
    }
    show_notes()

    heading("Traced")
    plain("51 rules, the last accepts", "trace")
    for (b = 2; b <= 3; b++) {
        added("nfscope trace, " backends[b] ", filter rejects", "trace." backends[b] ".reject", "trace")
        added("nfscope trace, " backends[b] ", filter takes", "trace." backends[b] ".take", "trace")
        beside("beside it", "trace." backends[b] ".take")
    }
    added("nfscope trace --all", "trace.all", "trace")
    beside("beside it", "trace.all")
    added("nfscope trace --why", "trace.why", "trace")
    beside("beside it", "trace.why")
    plain("51 rules, all match", "matching")
    for (b = 2; b <= 3; b++)
        added("nfscope trace, " backends[b], "matching." backends[b], "matching")
    show_notes()

    heading("iptables-legacy, two tables a packet")
    plain("51 rules each, the last accepts", "legacy")
    added("empty fentry program on ipt_do_table", "legacy.fentry", "legacy")
    added("nfscope drops", "legacy.drops", "legacy")
    added("nfscope trace, filter rejects", "legacy.trace.reject", "legacy")
    added("nfscope trace, filter takes", "legacy.trace.take", "legacy")
    beside("beside it", "legacy.trace.take")
    added("nfscope trace --why", "legacy.trace.why", "legacy")
    beside("beside it", "legacy.trace.why")
    show_notes()

    heading("Start until it watches, in seconds")
    seconds("nfscope drops, 100 rules", "start.100")
    seconds("nfscope drops, 20,000 rules", "start.20000")
    show_notes()

    heading("Resident memory, in MB")
    megabytes("nfscope drops, 100 rules", "memory", 1)
    megabytes("  its nft monitor", "memory", 2)
    megabytes("  most during the start", "memory", 3)
    megabytes("bpftrace, counting", "others.bpftrace-count.start", 2)
    megabytes("bpftrace, the script", "others.bpftrace.start", 2)
    megabytes("pwru", "others.pwru-take.start", 2)
    show_notes()

    print "\nLimits"
    for (i = 1; i <= count; i++) {
        k = kernels[i]
        b = automatic(k)
        if (known(k, "accept." b))
            check(k, "accepted (" b ")", value[k, "accept." b] - value[k, "accept"],
                k ~ /^(5\.10|6\.1)$/ ? 1000 : 30, "instructions")
        if (known(k, "drop." b ".reject"))
            check(k, "dropped, filter rejects (" b ")", value[k, "drop." b ".reject"] - value[k, "drop"],
                700, "instructions")
        if (known(k, "drop." b ".take"))
            check(k, "dropped, filter takes (" b ")", value[k, "drop." b ".take"] - value[k, "drop"],
                1500, "instructions")
        if (known(k, "trace.points.reject"))
            check(k, "traced, filter rejects", value[k, "trace.points.reject"] - value[k, "trace"],
                1000, "instructions")
        if (known(k, "trace.points.take")) {
            taken = value[k, "trace.points.take"] - value[k, "trace"]
            check(k, "traced, filter takes", taken, 3000, "instructions")
            if (known(k, "matching.points"))
                check(k, "traced, a further rule that matches",
                    (value[k, "matching.points"] - value[k, "matching"] - taken) / 50, 600,
                    "instructions")
            if (known(k, "trace.all"))
                check(k, "traced, --all, a rule that does not match",
                    (value[k, "trace.all"] - value[k, "trace"] - taken) / 50, 900, "instructions")
            if (known(k, "trace.why"))
                check(k, "traced, --why, a rule that does not match",
                    (value[k, "trace.why"] - value[k, "trace"] - taken) / 50, 900, "instructions")
        }
        if (known(k, "legacy.drops") && known(k, "legacy.fentry")) {
            hit = value[k, "legacy.fentry"] - value[k, "legacy"]
            if (hit > 0) check(k, "legacy, accepted, in hits of an empty fentry",
                (value[k, "legacy.drops"] - value[k, "legacy"]) / hit, 2, "a table")
        }
        if (known(k, "legacy.trace.reject"))
            check(k, "legacy, traced, filter rejects, a table",
                (value[k, "legacy.trace.reject"] - value[k, "legacy"]) / 2, 250, "instructions")
        if (known(k, "start.100"))
            check(k, "start with 100 rules", value[k, "start.100"] / 1e9, 0.3, "s")
        if (known(k, "start.20000"))
            check(k, "start with 20,000 rules", value[k, "start.20000"] / 1e9, 0.3, "s")
        if (known(k, "memory"))
            check(k, "resident memory", value[k, "memory"] / 1024, 15, "MB")
    }
}

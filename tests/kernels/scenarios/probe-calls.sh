# Arguments and results by the calling conventions of both architectures: names and
# texts behind pointers, results with the names of errors, conditions of both ends.
# architectures: amd64 arm64
# timeout: 180
# kernels: 5.10 6.12 7.2 6.12-arm64
NFSCOPE_PATIENCE=90
topology 4
echo 1 >"$W/opened"
nfscope_run probe vfs_open path.dentry.d_name.name:str file.f_flags ret --ret --json \
    if 'path.dentry.d_name.name == "opened" && ret == 0'
cat "$W/opened" "$W/missing" >/dev/null 2>&1 || true
nfscope_stop
expect_events lost 0
expect_events probe 1 place=vfs_open process.command=cat 'latency_ns>=1'
expect_text '{"name":"path.dentry.d_name.name","value":"opened"}'
expect_text '{"name":"ret","value":0}'

# The kernel lets nobody connect to a broadcast address: the shell tells its error.
port='((struct sockaddr_in *)uaddr).sin_port'
nfscope_run probe tcp_v4_connect sk.__sk_common.skc_family "$port:port" '(int)ret' addr_len --ret -c 1
said=$(within client bash -c 'exec 3<>/dev/tcp/255.255.255.255/9' 2>&1 || true)
nfscope_wait
expect_equal "what the shell says" "${said##*: }" "Network is unreachable"
expect_text "tcp_v4_connect sk.__sk_common.skc_family=AF_INET $port=9 (int)ret=-ENETUNREACH addr_len=16 ret=-ENETUNREACH"

status=0
nfscope probe skb:kfree_skb --count by reason >"$EVENTS" 2>"$ERRORS" </dev/null || status=$?
expect_equal "status of --count by" "$status" 2
expect_text '--count-by FIELD'

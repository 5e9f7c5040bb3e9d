#!/usr/bin/env bash
# Compares our remote mapping with what a user would pick instead: nbdkit + nbdfuse over TLS, and sshfs, each mapped with
# mmap(2) by the same program, on this machine, over loopback, encrypted, in turn within one run.
#
#   tests/peers.sh MACH [SIZE_MIB] [TOUCHES]
#
# MACH is the release binary. Installs nbdkit, libnbd-bin, sshfs, openssh-server, gnutls-bin and fuse3 from Debian's
# packages where they are missing (root). Prints one JSON line a system and then a table of ratios.
set -euo pipefail

mach=${1:?usage: tests/peers.sh MACH [SIZE_MIB] [TOUCHES]}
mach=$(readlink -f "$mach")
size_mib=${2:-1024}
touches=${3:-5000}

missing=()
for pair in nbdkit:nbdkit nbdfuse:libnbd-bin sshfs:sshfs /usr/sbin/sshd:openssh-server certtool:gnutls-bin fusermount3:fuse3; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

work=$(mktemp -d)
pids=()
# Where libnbd looks for certificates when it runs as root; a URI may not name another folder in nbdfuse.
pki=/etc/pki/libnbd
[[ ! -e $pki ]] || { echo "peers.sh: $pki is in use" >&2; exit 2; }
cleanup() {
    fusermount3 -u "$work/nbd" 2>/dev/null || true
    fusermount3 -u "$work/ssh" 2>/dev/null || true
    MACH_DIR="$work/state" "$mach" cluster down >/dev/null 2>&1 || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work" "$pki"
}
trap cleanup EXIT

wait_for() { # seconds command...
    local deadline=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { echo "peers.sh: timed out waiting for: $*" >&2; return 1; }
        sleep 0.05
    done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

mkdir -p "$work"/{data,nbd,ssh,tls}
mkdir -m 700 "$work/state"
file=$work/data/object.bin
head -c "${size_mib}M" /dev/urandom >"$file"
want=$(sha256sum "$file" | cut -d' ' -f1)

start_nbd() {
    (
        cd "$work/tls"
        certtool --generate-privkey --outfile ca-key.pem
        printf 'cn = "peers"\nca\ncert_signing_key\n' >ca.info
        certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem
        for end in server client; do
            certtool --generate-privkey --outfile $end-key.pem
            printf 'cn = "localhost"\ndns_name = "localhost"\ntls_www_%s\nsigning_key\nencryption_key\n' $end >$end.info
            certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \
                --load-privkey $end-key.pem --template $end.info --outfile $end-cert.pem
        done
    ) >/dev/null 2>&1
    mkdir -p "$pki"
    cp "$work"/tls/{ca-cert,client-cert,client-key}.pem "$pki"
    local port
    port=$(free_port)
    nbdkit --foreground --readonly --tls=require --tls-certificates="$work/tls" --ipaddr 127.0.0.1 --port "$port" \
        file "$file" >"$work/nbdkit.log" 2>&1 &
    pids+=($!)
    wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
    nbdfuse --readonly "$work/nbd/object.bin" "nbds://localhost:$port" >"$work/nbdfuse.log" 2>&1 &
    pids+=($!)
    wait_for 10 test -s "$work/nbd/object.bin"
}

start_sshfs() {
    local port
    port=$(free_port)
    ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$work/user_key"
    mkdir -p /run/sshd
    cat >"$work/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host_key
AuthorizedKeysFile $work/user_key.pub
StrictModes no
PermitRootLogin prohibit-password
PidFile $work/sshd.pid
Subsystem sftp internal-sftp
CONFIG
    /usr/sbin/sshd -D -f "$work/sshd_config" >"$work/sshd.log" 2>&1 &
    pids+=($!)
    wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
    sshfs -p "$port" -o "IdentityFile=$work/user_key" -o StrictHostKeyChecking=no -o "UserKnownHostsFile=$work/known" \
        -o Ciphers=aes128-gcm@openssh.com -o ro "$(id -un)@127.0.0.1:$work/data" "$work/ssh" 2>"$work/sshfs.log"
    wait_for 10 test -s "$work/ssh/object.bin"
}

start_mach() {
    export MACH_DIR=$work/state
    "$mach" cluster up --nodes 2 >"$work/mach.log"
    "$mach" export "$file" --name object --node n1 >>"$work/mach.log"
}

measure() { # label command...
    local label=$1; shift
    "$@" --touches "$touches" --json >"$work/$label.json"
}

start_nbd
start_sshfs
start_mach
measure mach "$mach" bench touch --object object --node n2 --expect "$want"
measure nbdfuse-tls "$mach" bench touch --file "$work/nbd/object.bin" --expect "$want"
measure sshfs "$mach" bench touch --file "$work/ssh/object.bin" --expect "$want"

python3 - "$work" <<'PY'
import json, sys
names = ["mach", "nbdfuse-tls", "sshfs"]
rows = [dict(json.load(open(f"{sys.argv[1]}/{name}.json")), system=name) for name in names]
for row in rows:
    print(json.dumps(row))
ours = rows[0]
print(f"\n{'system':<14}{'p50 us':>9}{'p99 us':>9}{'MB/s':>9}{'p50 vs ours':>13}{'MB/s vs ours':>14}")
for r in rows:
    print(f"{r['system']:<14}{r['p50_us']:>9.1f}{r['p99_us']:>9.1f}{r['sequential_mb_s']:>9.0f}"
          f"{r['p50_us'] / ours['p50_us']:>12.2f}x{r['sequential_mb_s'] / ours['sequential_mb_s']:>13.2f}x")
ahead = all(ours['p50_us'] < r['p50_us'] and ours['sequential_mb_s'] > r['sequential_mb_s'] for r in rows[1:])
print("ahead of every peer" if ahead else "NOT ahead of every peer")
sys.exit(0 if ahead else 1)
PY

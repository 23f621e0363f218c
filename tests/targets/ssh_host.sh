#!/bin/bash
# tests/targets/ssh_host.sh: run one Linux host with real accounts behind a real sshd, as an overlay over this machine.
#
# usage: ssh_host.sh DIRECTORY PORT [SSHD-OPTION=VALUE...]
#
# The host is a private mount namespace: an overlay over / whose writable layer is DIRECTORY/up, so it has its own
# /etc/passwd, /etc/shadow, sudoers and pam.d, and this machine's accounts are never touched. It is a pid namespace
# too: sshd is its process 1, and whatever runs in it dies with it. The mounts vanish with the last process.
#
# The host lives as long as standard input is open: a caller that dies, however it dies, takes its host along.
# A first start makes the accounts (ssh_host_accounts.sh, then DIRECTORY/setup.sh); later ones find them.
# In the environment: KEYTURN_HOST_DENY=N locks an account for a minute after N failed logins (pam_faillock),
# KEYTURN_HOST_SUDO=yes counts those of sudo as well, as a host with pam_faillock in common-auth does,
# KEYTURN_HOST_DELAY=yes keeps the seconds that pam_unix waits after a wrong password.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

write_sshd_config()
{
    local port=$1 option
    shift
    # sshd takes the first value it sees, so the caller's options stand above the defaults.
    for option in "$@"; do
        printf '%s\n' "${option/=/ }"
    done
    cat <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey /etc/ssh/target_ed25519
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PubkeyAuthentication yes
PermitRootLogin no
UseDNS no
MaxStartups 500:30:1000
MaxSessions 100
MaxAuthTries 6
PrintMotd no
PidFile none
Subsystem sftp internal-sftp
LogLevel VERBOSE
CONFIG
}

# Only sshd counts failures, unless it is said otherwise.
write_pam()
{
    local service=$1 deny=${KEYTURN_HOST_DENY:-0} delay=nodelay
    if [ "${KEYTURN_HOST_DELAY:-no}" = yes ]; then
        delay=
    fi
    if [ "$deny" = 0 ]; then
        cat <<PAM
auth [success=1 default=ignore] pam_unix.so $delay
auth requisite pam_deny.so
auth required pam_permit.so
PAM
    else
        cat <<PAM
auth required pam_faillock.so preauth deny=$deny unlock_time=60 $delay
auth [success=1 default=ignore] pam_unix.so $delay
auth [default=die] pam_faillock.so authfail deny=$deny unlock_time=60 $delay
auth sufficient pam_faillock.so authsucc deny=$deny unlock_time=60
PAM
        # It forgets them when a key is let in; a host that has it in common-auth alone has no such line.
        [ "${KEYTURN_HOST_SUDO:-no}" = yes ] || echo account required pam_faillock.so
    fi
    sed '/^@include common-auth/d' "/etc/pam.d/$service"
}

# Runs as process 1 of the new namespaces and becomes sshd.
enter_host()
{
    local directory=$1 port=$2
    local root=$directory/root service
    shift 2
    mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/up,workdir=$directory/work" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mkdir -p "$root/run/sshd" "$root/run/lock" "$root/run/faillock" "$root/run/sudo"
    if [ ! -f "$root/etc/ssh/target_ed25519" ]; then
        ssh-keygen -q -t ed25519 -N '' -C target -f "$root/etc/ssh/target_ed25519"
    fi
    write_sshd_config "$port" "$@" >"$root/etc/ssh/target_config"
    for service in sshd $([ "${KEYTURN_HOST_SUDO:-no}" = no ] || echo sudo); do
        write_pam "$service" >"$directory/$service.pam"
        cp "$directory/$service.pam" "$root/etc/pam.d/$service"
    done
    if [ ! -f "$directory/accounts-made" ]; then
        chroot "$root" /bin/bash -s <"$here/ssh_host_accounts.sh"
        if [ -f "$directory/setup.sh" ]; then
            chroot "$root" /bin/bash -s <"$directory/setup.sh"
        fi
        touch "$directory/accounts-made"
    fi
    exec chroot "$root" /usr/sbin/sshd -D -E /var/log/target_sshd.log -f /etc/ssh/target_config </dev/null
}

if [ "$1" = --inside ]; then
    shift
    enter_host "$@"
fi
if [ "$(id -u)" != 0 ]; then
    echo "Overlay hosts need root: run this again as root." >&2
    exit 2
fi
directory=$1
mkdir -p "$directory/up" "$directory/work" "$directory/root"
exec 3<&0
unshare --mount --pid --fork --kill-child --propagation private "$here/ssh_host.sh" --inside "$@" 3<&- </dev/null &
host=$!
echo "$host" >"$directory/namespace.pid"
cat <&3 >/dev/null &
set +e
wait -n
status=$?
kill -9 "$host" 2>/dev/null
exit "$status"

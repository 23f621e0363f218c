#!/bin/bash
# tests/targets/ssh_host_accounts.sh: make the accounts of a test host. Runs inside it, once.
set -eu
chmod 700 /root

new_account()
{
    local name=$1 password=$2 shell=${3:-/bin/bash}
    useradd -m -s "$shell" "$name"
    printf '%s:%s\n' "$name" "$password" | chpasswd
}

# Functional accounts: func may change passwords without one of its own, func2 is asked for its password by sudo.
new_account func 'Func-Start-1!'
new_account func2 'Func-Start-2!'
# The regular expression allows one name only; the timeout forms need lines of their own, else that fence is refused.
cat >/etc/sudoers.d/func <<'SUDOERS'
Defaults:func,func2 !requiretty, !pam_session, !use_pty, !lecture
func ALL=(root) NOPASSWD: /usr/sbin/chpasswd, /usr/bin/passwd, /usr/bin/chage, /usr/sbin/usermod
func ALL=(root) NOPASSWD: /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd, /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd -e
func ALL=(root) NOPASSWD: /usr/bin/getent ^shadow [a-z_][a-z0-9_.-]*$
func ALL=(u1,u2,u3,u4,u5,u6,u7,u8,!root) NOPASSWD: /bin/sh
func2 ALL=(root) /usr/sbin/chpasswd, /usr/bin/getent ^shadow [a-z_][a-z0-9_.-]*$
func2 ALL=(root) /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd, /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd -e
SUDOERS
chmod 440 /etc/sudoers.d/func
visudo -cq -f /etc/sudoers.d/func

printf 'root:%s\n' 'Root-Start-1!' | chpasswd
# Managed accounts: u1 to u8 have yescrypt hashes, s1 and s2 SHA-512 ones.
for number in 1 2 3 4 5 6 7 8; do
    new_account "u$number" "Start-Pass-$number!"
done
for number in 1 2; do
    new_account "s$number" "Sha-Start-$number!"
    hash=$(printf '%s' "Sha-Start-$number!" | openssl passwd -6 -stdin)
    printf '%s:%s\n' "s$number" "$hash" | chpasswd -e
done
# Accounts in every state that a login can meet.
new_account exp1 'Expired-Start-1!'
chage -d 0 exp1
new_account lock1 'Lock-Start-1!'
passwd -q -l lock1
new_account acexp 'Acexp-Start-1!'
chage -E 2020-01-01 acexp
new_account nolog 'Nolog-Start-1!' /usr/sbin/nologin
new_account min1 'Min1-Start-1!'
chage -m 7 min1

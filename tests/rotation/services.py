"""tests/rotation/services.py: services of a test host, started by init scripts as hosts without systemd have them."""

SERVICES = r"""
mkdir -p /var/lib/services
script() { cat >"/etc/init.d/$1"; chmod 755 "/etc/init.d/$1"; }
script counter <<'INIT'
#!/bin/sh
# Notes each restart with what it reads then: the hash of u1.
[ "$1" = restart ] && [ "$#" = 1 ] || exit 3
getent shadow u1 | cut -d: -f2 >>/var/lib/services/counter
INIT
cp /etc/init.d/counter /etc/init.d/slow
sed -i 's/^getent/sleep 3; getent/; s/counter$/slow/' /etc/init.d/slow
script third-time <<'INIT'
#!/bin/sh
# Fails twice, then works.
echo try >>/var/lib/services/tries
[ "$(wc -l </var/lib/services/tries)" -ge 3 ] || { echo "not ready yet" >&2; exit 1; }
echo done >>/var/lib/services/third-time
INIT
script broken <<'INIT'
#!/bin/sh
echo try >>/var/lib/services/broken
echo "cannot start: Func-Start-1! is in this text" >&2
exit 7
INIT
script hangs <<'INIT'
#!/bin/sh
echo begun >>/var/lib/services/hangs
exec sleep 600
INIT
script leaves.daemon <<'INIT'
#!/bin/sh
echo begun >>/var/lib/services/daemon
sleep 600 &
INIT
cat >/etc/sudoers.d/services <<'SUDOERS'
func ALL=(root) NOPASSWD: /usr/sbin/service counter restart, /usr/sbin/service slow restart, /usr/sbin/service third-time restart
func ALL=(root) NOPASSWD: /usr/sbin/service broken restart, /usr/sbin/service hangs restart, /usr/sbin/service leaves.daemon restart
func ALL=(root) NOPASSWD: /usr/sbin/service missing restart, /usr/bin/systemctl restart -- counter, /usr/bin/systemctl restart -- getty@tty1.service
func2 ALL=(root) /usr/sbin/service counter restart
SUDOERS
chmod 440 /etc/sudoers.d/services
visudo -cq -f /etc/sudoers.d/services
"""


def times(host, name="counter"):
    """What a service has noted, a line for each restart."""
    path = host.root / "var/lib/services" / name
    return path.read_text().split("\n")[:-1] if path.exists() else []


def forget(host):
    host.run("rm -f /var/lib/services/*")

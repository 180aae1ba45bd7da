#!/bin/sh
# Install hookbus under systemd: the programs, two users, /etc/hookbus, the units, two commands. Run it again to
# upgrade; the configuration stays.
#
# usage: install.sh [WHEEL]      with a wheel, also installs the programs into /opt/hookbus
#        install.sh --uninstall  stops everything and removes units and programs; configuration and data stay
#
# PYTHON names the interpreter, python3 by default: 3.11 or newer, with venv.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=/opt/hookbus
config=/etc/hookbus
units=/etc/systemd/system
commands=/usr/local/bin

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
fail() { warn "$@"; exit 1; }

usage() { sed -n 's/^# \{0,1\}//; 2,8p' "$0"; }

programs() {
    python=${PYTHON:-python3}
    [ -f "$1" ] || fail "$1: no such file; 'make dist' makes the wheel"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11"
    is_anew=
    if ! $home/bin/pip --version > /dev/null 2>&1; then
        # No venv yet, or its Python was upgraded or removed. venv does not replace dangling links.
        [ ! -e $home/bin ] || is_anew=yes
        rm -f $home/bin/python*
        "$python" -m venv $home || fail "$python -m venv failed: on Debian, apt-get install python3-venv"
    fi
    pip() { $home/bin/pip --disable-pip-version-check -q "$@"; }
    pip install --require-hashes --only-binary=:all: -r "$here/../container/requirements.lock"
    pip install --no-deps --no-index --force-reinstall "$1"
}

# Conflicts in the packages of handlers do not stop the installation.
warnings() {
    [ -z "$is_anew" ] || warn "warning: $home was created again for $("$python" -V): install your handlers' packages again"
    conflicts=$($home/bin/pip --disable-pip-version-check check 2>&1) ||
        warn "warning: packages in $home disagree, perhaps those of your handlers:
$conflicts"
}

# On the command line the programs need the settings that their units set. Another program's command of that name stays.
is_ours() { [ ! -e "$1" ] || grep -q "^# Made by hookbus" "$1"; }

command_for() {
    is_ours "$commands/$1" || { warn "warning: $commands/$1 was not made by hookbus, and stays"; return; }
    cat > "$commands/$1" <<COMMAND
#!/bin/sh
# Made by hookbus' install.sh: the program with the settings and credentials of this machine.
export HOOKBUS_CONFIG="\${HOOKBUS_CONFIG-$config/hookbus.toml}"
export CREDENTIALS_DIRECTORY="\${CREDENTIALS_DIRECTORY-$config/credentials}"
exec $home/bin/$1 "\$@"
COMMAND
    chmod 755 "$commands/$1"
}

# example FILE TARGET MODE: installs FILE unless TARGET exists.
example() { [ -e "$2" ] || install -m "$3" "$1" "$2"; }

configuration() {
    install -d -m 755 $config /srv/hookbus
    install -d -m 700 $config/credentials $config/workers
    install -d -m 750 -g hookbus-ingest $config/secrets $config/secrets/openai
    example "$here/hookbus.toml" $config/hookbus.toml 644
    example "$here/worker.env" $config/workers/example.env 600
    if [ ! -e $config/credentials/redis_url ]; then
        (umask 077 && say redis://127.0.0.1:6379/0 > $config/credentials/redis_url)
    fi
}

install_all() {
    [ -z "${1:-}" ] || programs "$1"
    [ -x $home/bin/hookbus-ingest ] || fail "no $home/bin/hookbus-ingest: give a WHEEL, or pip install hookbus into a venv there"
    install -D -m 644 "$here/sysusers.conf" /etc/sysusers.d/hookbus.conf
    systemd-sysusers hookbus.conf
    configuration
    for unit in hookbus.target hookbus-ingest.socket hookbus-ingest.service hookbus-worker@.service hookbus-exporter.service \
        hookbus-console.service; do
        install -m 644 "$here/$unit" "$units/$unit"
    done
    systemctl daemon-reload
    command_for hookbus-ingest
    command_for hookbus-worker
    say "installed. README.md beside this script says what comes next; after an upgrade: systemctl restart hookbus.target"
    [ -z "${1:-}" ] || warnings
}

uninstall() {
    workers=$(cd $units && find . -name 'hookbus-worker@?*.service' -exec basename {} \; | sort -u)
    running=$(systemctl list-units --all --plain --no-legend 'hookbus-worker@*' | cut -d ' ' -f 1)
    ours="hookbus.target hookbus-ingest.socket hookbus-ingest.service hookbus-exporter.service hookbus-console.service $workers $running"
    # One by one, as a missing unit ends the command. The target first: all others then begin to stop.
    for unit in $ours; do
        systemctl stop "$unit" 2> /dev/null || :
    done
    for unit in $ours; do
        systemctl disable "$unit" 2> /dev/null || :
    done
    rm -f $units/hookbus.target $units/hookbus-ingest.socket $units/hookbus-ingest.service "$units/hookbus-worker@.service" \
        $units/hookbus-exporter.service $units/hookbus-console.service
    rm -f /etc/sysusers.d/hookbus.conf
    for name in hookbus-ingest hookbus-worker; do
        ! is_ours $commands/$name || rm -f $commands/$name
    done
    systemctl daemon-reload
    rm -rf $home
    say "uninstalled. Left: $config, /srv/hookbus, /var/lib/hookbus-worker, what 'systemctl edit' made" \
        "($units/hookbus*.d), the users hookbus-ingest and hookbus-worker, and all that is in Redis." \
        "Gone with $home: the packages that handlers had there."
}

case ${1:-} in
    -h | --help) usage; exit ;;
    --uninstall) action=uninstall ;;
    -*) fail "unknown option $1" ;;
    *) action=install_all ;;
esac
[ $# -le 1 ] || fail "more than one WHEEL: $*; 'rm -rf dist && make dist' leaves one"
[ "$(id -u)" = 0 ] || fail "has to be run by root"
$action "$@"

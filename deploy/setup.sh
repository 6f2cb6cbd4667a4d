#!/bin/sh
# Set up what `make up` (runtime) or `make test` (dev) needs, below .venv; safe to repeat.
# Outside .venv it touches Mosquitto and curl only, where they are missing and may be installed.
set -eu

set_of=${1:?runtime or dev}
say() { printf '  setup   %s\n' "$1"; }
die() { printf 'setup: %s\n' "$1" >&2; exit 1; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$name" >/dev/null 2>&1 &&
           "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
}

may_use_apt() { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; }

# Install Debian packages without starting a service that they bring, now or at the next boot, and
# without touching one that runs already.
apt_install() {
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod +x "$policy"; ours=1; }
    trap '[ -z "${ours:-}" ] || rm -f "$policy"' EXIT
    log=$(mktemp)
    if ! { apt-get update -qq &&
           DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
           >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "apt-get install $* failed: see above"
    fi
    rm -f "$log"
}

ensure_venv() {
    [ -x .venv/bin/python ] && return
    python=$(find_python)
    [ -n "$python" ] || die "Python 3.11 or newer is needed: apt-get install python3, or set PYTHON"
    say "environment in .venv, with $("$python" --version)"
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        may_use_apt || die "this Python has no venv: run  sudo apt-get install python3-venv"
        say "installing python3-venv"
        apt_install python3-venv
        "$python" -m venv .venv || die "$python cannot make an environment"
    fi
}

ensure_packages() {
    count=$(grep -c '==' "requirements/$set_of.txt")
    say "installing $count pinned packages (half a minute the first time)"
    .venv/bin/python -m pip install --quiet --require-hashes --no-deps \
        --requirement "requirements/$set_of.txt" || die "pip could not install the packages"
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . ||
        die "pip could not install stadsnav itself"
}

has_mosquitto() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
    command -v mosquitto >/dev/null 2>&1
}

ensure_mosquitto() {
    if has_mosquitto || [ -n "${STADSNAV_MQTT_URL:-}" ]; then return; fi
    if may_use_apt; then
        say "installing mosquitto"
        apt_install mosquitto mosquitto-clients
        if command -v systemctl >/dev/null 2>&1; then
            systemctl disable mosquitto >/dev/null 2>&1 || true  # we run a private one
        fi
    elif command -v brew >/dev/null 2>&1; then
        say "installing mosquitto"
        brew install --quiet mosquitto
    else
        die "mosquitto is missing: run  sudo apt-get install mosquitto mosquitto-clients"
    fi
}

# What `make up` prints to try is curl and mosquitto_pub; nothing of ours needs them.
ensure_curl() {
    if command -v curl >/dev/null 2>&1 || ! may_use_apt; then return; fi
    say "installing curl"
    apt_install curl
}

ensure_venv
ensure_mosquitto
ensure_curl
ensure_packages
touch ".venv/$set_of.stamp"
[ "$set_of" = runtime ] || touch .venv/runtime.stamp
say "done"

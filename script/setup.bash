# shellcheck shell=bash
# Sourced by the other scripts: where we are, how we speak, and how a missing program is found or installed.
# Written for bash 3.2 (macOS) and later. Sourcing it changes nothing on the machine.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export root

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$(basename "$0"): $*"
  exit 1
}

# Runs a command as root when that needs no password; otherwise returns 126 without running it.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 126
  fi
}

# Installs Debian or Ubuntu packages without letting them start a server or make a database cluster.
apt_install() {
  command -v apt-get >/dev/null || return 1
  as_root true || return 1
  say "installing $* with apt-get (no server is started by it) …"
  as_root bash -s -- "$@" >&2 <<'ROOT' || return 1
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/thnks-hubspot.conf
made_policy=
made_cluster=
cleanup() {
  if [ -n "$made_policy" ]; then rm -f "$policy"; fi
  if [ -n "$made_cluster" ]; then rm -f "$cluster"; fi
}
trap cleanup EXIT
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made_policy=yes
fi
if [ ! -e "$cluster" ]; then
  mkdir -p "$(dirname "$cluster")"
  echo 'create_main_cluster = false' >"$cluster"
  made_cluster=yes
fi
quiet() { "$@" >/tmp/thnks-apt.$$ 2>&1 || { tail -n 20 /tmp/thnks-apt.$$; rm -f /tmp/thnks-apt.$$; return 1; }; rm -f /tmp/thnks-apt.$$; }
install() { quiet apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; }
# A stale package list names versions that the mirror no longer has, so refresh it once when needed.
install "$@" 2>/dev/null >&2 || { quiet apt-get -o DPkg::Lock::Timeout=300 update && install "$@"; }
# What was installed for us alone should not come up by itself at the next boot.
case " $* " in
  *" redis-server "*) if [ -d /run/systemd/system ]; then systemctl disable redis-server >/dev/null 2>&1 || true; fi ;;
esac
ROOT
}

brew_install() {
  command -v brew >/dev/null || return 1
  [ "$(id -u)" != 0 ] || return 1
  say "installing $* with Homebrew …"
  brew install --quiet "$@" >&2
}

# Leaves `cargo` and a C compiler on the PATH, or says what to install.
need_rust() {
  if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    export PATH
  fi
  command -v cargo >/dev/null || fail "no Rust toolchain here. Install rustup from https://rustup.rs, then run this again; rust-toolchain.toml chooses the version."
  command -v cc >/dev/null || apt_install gcc libc6-dev || fail "no C compiler (cc) here: install gcc or clang, then run this again."
}

# Builds the one binary and prints its path: cargo's own messages name it, wherever CARGO_TARGET_DIR puts it.
build_binary() {
  local binary
  binary=$(cd "$root" && cargo build --locked --package cli --bin thnks-hubspot --message-format json-render-diagnostics |
    sed -nE 's/.*"executable":"([^"]+thnks-hubspot)".*/\1/p' | tail -n 1) || return 1
  [ -x "$binary" ] || fail "cargo built no thnks-hubspot"
  printf '%s\n' "$binary"
}

# Builds the benches of the binary, optimized as it is when it is shipped, and prints their path.
build_bench() {
  local bench
  bench=$(cd "$root" && cargo bench --locked --package cli --bench bench --no-run --message-format json-render-diagnostics |
    sed -nE 's/.*"executable":"([^"]+)".*/\1/p' | grep -E '/bench-[0-9a-f]+$' | tail -n 1) || return 1
  [ -x "$bench" ] || fail "cargo built no bench"
  printf '%s\n' "$bench"
}

find_chromium() {
  local candidate
  for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$candidate" && return
  done
  candidate='/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  [ -x "$candidate" ] && printf '%s\n' "$candidate"
}

# Leaves node and npm on the PATH and Chromium in CHROMIUM, or says what to install.
need_browser() {
  if ! { command -v node && command -v npm; } >/dev/null; then
    apt_install nodejs npm || brew_install node || fail "this needs Node 20 or later and npm: install them, then run it again"
  fi
  if [ -z "${CHROMIUM:-}" ] && ! CHROMIUM=$(find_chromium); then
    apt_install chromium || true
    CHROMIUM=$(find_chromium) || fail "this needs Chromium or Chrome: install one, or name it in CHROMIUM, then run it again"
  fi
  export CHROMIUM
}

# Leaves promtool, Prometheus' own check of rules, on the PATH, where .dev/tools/bin is first. Of Debian's package only that
# program is taken: nobody asked for a Prometheus.
need_promtool() {
  command -v promtool >/dev/null && return
  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    local unpacked
    unpacked=$(mktemp -d "${TMPDIR:-/tmp}/thnks-promtool.XXXXXX") || return 1
    say "  taking promtool out of Debian's package prometheus into .dev/tools (once) …"
    (
      cd "$unpacked" &&
        { apt-get download prometheus || { as_root apt-get update && apt-get download prometheus; }; } &&
        dpkg-deb -x prometheus_*.deb . &&
        mkdir -p "$root/.dev/tools/bin" &&
        install -m 755 usr/bin/promtool "$root/.dev/tools/bin/"
    ) >"$unpacked.log" 2>&1 || tail -n 5 "$unpacked.log" >&2
    rm -rf "$unpacked" "$unpacked.log"
  else
    brew_install prometheus || true
  fi
  hash -r
  command -v promtool >/dev/null
}

# Queries are checked against .sqlx/, so that building needs no database.
export SQLX_OFFLINE=true

#!/usr/bin/env bash
# Installs, by apt, the programs that the tests use beside Python. Where it may not or cannot, it says what is missing and goes on:
# the tests that need it are then skipped (and fail under NIGHTLIGHT_REQUIRE_SERVERS=1).
set -euo pipefail

python=${PYTHON:-python3}
missing=()

have() { command -v "$1" >/dev/null 2>&1; }

"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
have g++ || have c++ || missing+=(g++)
"$python" - <<'PY' 2>/dev/null || missing+=(python3-dev)
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())
PY

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

skip() {
  echo "== system packages: skipped, because $1"
  echo "   missing: ${missing[*]}; the tests that need them will be skipped"
  exit 0
}

have apt-get || skip "there is no apt-get here; install them as your system does"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  have sudo && sudo -n true 2>/dev/null || skip "this is not root and sudo asks for a password"
  as_root=(sudo -n)
fi

echo "== system packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# `env` carries the variable through sudo.
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }
apt update || skip "apt-get update failed"
apt install --yes --no-install-recommends "${missing[@]}" || skip "apt-get install failed"

# Sourced by the scripts beside it: finds Python, keeps .venv in step with pyproject.toml and constraints.txt.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

# The environment's Python; -P keeps it from importing what happens to lie in the current folder.
python() {
  "$VENV/bin/python" -P "$@"
}

# Prints the first Python that is new enough; $PYTHON names another one.
find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  die 'Ziyan needs Python 3.11 or newer, and none was found.' \
    'Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python),' \
    'or name one that is not on the PATH: PYTHON=/opt/python3.12/bin/python3 scripts/serve'
}

make_venv() {
  local found
  found=$(find_python)
  echo "Making a virtual environment with $("$found" --version) in .venv" >&2
  if ! "$found" -m venv --clear "$VENV"; then
    rm -rf "$VENV"
    die "$found cannot make a virtual environment; see above." \
      'On Debian and Ubuntu a package is missing: apt install python3-venv'
  fi
}

# Prints the requirements of the dependency groups named; pip learned to read them too late to rely on it.
group_requirements() {
  python - "$ROOT/pyproject.toml" "$@" <<'PYTHON'
import sys, tomllib

with open(sys.argv[1], "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]
print(*(requirement for name in sys.argv[2:] for requirement in groups[name]), sep="\n")
PYTHON
}

# Everything that an installation depends on, the place of the checkout included: an editable install points at it.
wanted_state() {
  { echo "$ROOT" && python --version && cat "$ROOT/pyproject.toml" "$ROOT/constraints.txt"; } | cksum
}

# ensure_venv [GROUP…]: installs the package, and the dependency groups named, unless that is already done.
ensure_venv() {
  python -c 'import pip' 2>/dev/null || make_venv
  local stamp=$VENV/installed${1:+-$1} state quiet=
  state=$(wanted_state)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
    return
  fi
  [ -t 2 ] || quiet=--quiet
  echo 'Installing the pinned dependencies' >&2
  group_requirements "$@" >"$VENV/requirements.txt"
  python -m pip install --disable-pip-version-check $quiet \
    -c "$ROOT/constraints.txt" -r "$VENV/requirements.txt" -e "$ROOT" >&2
  echo "$state" >"$stamp"
  echo "$state" >"$VENV/installed"
}

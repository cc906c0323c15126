# Sourced by ./run, ./test and bench/run: packages, the build, Python environments. Every step says what it does and
# ends the script with one clear message when it cannot go on.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

build_packages=(cmake ninja-build g++ ccache libfmt-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev
  python3-dev python3-venv zlib1g-dev)
test_packages=(libgtest-dev libgmock-dev clang clang-format libclang-rt-dev llvm binutils curl openssl
  nginx apache2-bin lighttpd lighttpd-mod-openssl php-fpm php-cgi uwsgi-core uwsgi-plugin-python3 libfcgi-dev chromium
  chromium-driver)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
  done
}

# Installs what is missing of the Debian packages named. Other systems: the caller checks the tools themselves.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    command -v cmake >/dev/null && command -v ninja >/dev/null && command -v g++ >/dev/null ||
      fail "this system has no dpkg; install the counterparts of these Debian packages, then try again: $*"
    return 0
  fi
  local missing as_root=()
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
      fail "some Debian packages are missing; as root, run: apt-get install $missing"
    as_root=(sudo)
  fi
  say "Installing Debian packages: $missing"
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086  # a list of names
  install_packages $missing >"$log" 2>&1 || { tail -20 "$log" >&2; rm -f "$log"; fail "apt-get could not install: $missing"; }
  rm -f "$log"
}

# Debian starts a server as soon as its package is installed, and at each boot. The web servers here are programs that
# tests start on ports of their own: whoever had none before has none running on port 80 afterwards. A policy of this
# machine's own about that stays as it is (invoke-rc.d(8)), and so does a server that was installed already.
install_packages() ( # a subshell: the policy goes with it, however it ends
  policy=/usr/sbin/policy-rc.d servers=(nginx lighttpd h2o php8.2-fpm php8.4-fpm) new=()
  as_root() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@"; }
  as_root apt-get -q update || exit 1
  for server in "${servers[@]}"; do [ -e "/etc/init.d/$server" ] || new+=("$server"); done
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    # shellcheck disable=SC2016  # of that script
    as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy" || exit 1
  fi
  as_root apt-get -q install -y --no-install-recommends "$@" || exit 1
  for server in "${new[@]}"; do [ ! -e "/etc/init.d/$server" ] || as_root update-rc.d "$server" disable || exit 1; done
)

# build_preset NAME FOLDER [TARGET...]: configures once, then lets ninja decide what to do.
build_preset() {
  local preset=$1 folder=$root/$2 log
  shift 2
  if [ ! -f "$folder/build.ninja" ] || ! grep -qsF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"; then
    say "Configuring the $preset build in ${folder#"$root"/}/"
    rm -f "$folder/CMakeCache.txt"
    log=$(cd "$root" && cmake --preset "$preset" 2>&1) || { printf '%s\n' "$log" >&2; fail "cmake could not configure preset $preset"; }
  fi
  say "Building preset $preset"
  ninja -C "$folder" --quiet "$@" || fail "the $preset build failed; the compiler's message is above"
}

# python_environment FOLDER PYTHON REQUIREMENTS...: a virtual environment, renewed when the interpreter or the text
# of a requirements file changed. Prints nothing when it is up to date.
python_environment() {
  local folder=$1 python=$2 stamp requirement arguments=()
  shift 2
  "$python" -c '' 2>/dev/null || fail "$python does not run: install it, or remove what is left of it"
  for requirement in "$@"; do
    [ -r "$requirement" ] || fail "there is no $requirement"
    arguments+=(-r "$requirement")
  done
  stamp=$({ "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$@"; } | sha256sum | cut -d' ' -f1) ||
    fail "cannot run $python"
  if [ "$(cat "$folder/requirements.stamp" 2>/dev/null)" = "$stamp" ] && "$folder/bin/python" -c '' 2>/dev/null; then
    return 0
  fi
  say "Making a Python environment in ${folder#"$root"/}/ ($("$python" --version))"
  rm -rf "$folder"
  "$python" -m venv "$folder" || fail "$python cannot make a virtual environment (Debian: apt-get install python3-venv)"
  "$folder/bin/python" -m pip install -q "${arguments[@]}" ||
    fail "pip could not install what $* asks for (is there a way to PyPI?)"
  printf '%s\n' "$stamp" >"$folder/requirements.stamp"
}

# Debian's interpreter where there is one: the extension is built for it.
system_python() {
  if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi
}

# Every CPython >= 3.9 of this machine, one path a line: Debian's, then pyenv's.
interpreters() {
  local python seen=''
  for python in /usr/bin/python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
    [ -x "$python" ] || continue
    "$python" - <<'PYTHON' 2>/dev/null && echo "$python"
import platform, sys
sys.exit(not (platform.python_implementation() == "CPython" and sys.version_info >= (3, 9)))
PYTHON
  done
}

# The newest Python 2.7 of this machine; fails where there is none.
python2() {
  local python
  for python in "$(command -v python2.7)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
    [ -x "$python" ] && "$python" -c '' 2>/dev/null && echo "$python" && return 0
  done
  return 1
}

# autobahn_environment FOLDER PYTHON2: Autobahn's test suite (wstest). Its last release for Python 2 is 0.8.2.
autobahn_environment() {
  local folder=$1 python=$2 log
  [ ! -x "$folder/bin/wstest" ] || return 0
  say "Installing Autobahn's test suite in ${folder#"$root"/}/"
  rm -rf "$folder" "$folder-virtualenv"
  log=$({ "$python" -m pip install -q --target "$folder-virtualenv" 'virtualenv==20.15.1' &&
    PYTHONPATH="$folder-virtualenv" "$python" -m virtualenv -q "$folder" &&
    "$folder/bin/python" -m pip install -q 'autobahntestsuite==0.8.2'; } 2>&1) ||
    { printf '%s\n' "$log" >&2; fail "Autobahn's test suite could not be installed (is there a way to PyPI?)"; }
}

# node_client FOLDER: Node's WebSocket client ws, by npm; without npm Debian's, which needs no other package but Node.
node_client() {
  local folder=$1 version=8.18.3 log
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    need_packages nodejs node-ws
    return
  fi
  ! grep -qs "\"version\": \"$version\"" "$folder/node_modules/ws/package.json" || return 0
  say "Installing Node's ws in ${folder#"$root"/}/"
  log=$(npm install --prefix "$folder" --no-audit --no-fund --no-save --ignore-scripts "ws@$version" 2>&1) ||
    { printf '%s\n' "$log" >&2; fail "npm could not install ws (is there a way to npm's registry?)"; }
}

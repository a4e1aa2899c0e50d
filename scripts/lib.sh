# What the scripts beside this file share: say what is found, install what is missing, end in a
# clear message otherwise. Sourced, never run. Written for bash 3.2, which is what macOS has.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The flags of every build for tests, lints and generated files. One set of them everywhere, because
# each other set of features would build the dependencies once more.
workspace_flags="--workspace --features fault-injection --locked"

nextest_version=0.9.143
deny_version=0.20.2
audit_version=0.22.2
cyclonedx_version=0.5.9
postgres_major_min=14
nats_minor_min=9 # of NATS 2

say() { printf '%s\n' "$*"; }
found() { printf '  found     %s\n' "$*"; }
installing() { printf '  install   %s\n' "$*"; }
die() {
  printf '\nerror: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
is_macos() { [ "$(uname -s)" = Darwin ]; }

# need ITEM… finds each item, installs the missing ones, and ends the script when that fails.
need() {
  local item missing=""
  say "Lunation needs:"
  for item in "$@"; do
    "find_$item" || missing="$missing $item"
  done
  [ -n "$missing" ] || return 0
  install_packages $missing
  for item in $missing; do
    case $item in
      nats) have_nats || install_nats ;;
      nextest) install_cargo_tool cargo-nextest "$nextest_version" --no-default-features --features default-no-update ;;
      deny) install_cargo_tool cargo-deny "$deny_version" ;;
      audit) install_cargo_tool cargo-audit "$audit_version" --no-default-features ;;
      cyclonedx) install_cargo_tool cargo-cyclonedx "$cyclonedx_version" ;;
    esac
    "find_$item" || die "$item was installed, and still cannot be found."
  done
}

# --- Rust ---------------------------------------------------------------------------------------

find_rust() {
  local channel dir
  channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
  if ! rust_is_usable "$channel"; then
    for dir in "${CARGO_HOME:-${HOME:-}/.cargo}/bin" "${HOME:-}/.cargo/bin" /usr/local/cargo/bin \
      /opt/homebrew/opt/rustup/bin /usr/local/opt/rustup/bin; do
      if [ -x "$dir/cargo" ]; then
        PATH="$dir:$PATH"
        break
      fi
    done
    if have rustup && ! rustup toolchain list | grep -q "^$channel"; then
      installing "Rust $channel (rustup toolchain install)"
      rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy ||
        die "rustup could not install Rust $channel." "Is there a connection to static.rust-lang.org?"
    fi
    rust_is_usable "$channel" || die "a Rust toolchain of version $channel or newer is needed." \
      "This finds: $(rustc --version 2>/dev/null || echo 'no rustc at all')." \
      "Install one from https://rustup.rs, then run the same command again:" \
      "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  fi
  export PATH
  found "$(rustc --version) ($(command -v cargo))"
}

# Is the pinned toolchain there already, or, without rustup, one that is no older?
rust_is_usable() {
  have cargo && have rustc || return 1
  if have rustup; then
    rustup toolchain list 2>/dev/null | grep -q "^$1" || return 1
  fi
  local version
  version=$(rustc --version 2>/dev/null | awk '{ print $2 }')
  [ -n "$version" ] && [ "$(version_number "$version")" -ge "$(version_number "$1")" ]
}

# 1.95.0 → 1095000, so that versions compare as numbers.
version_number() {
  printf '%s\n' "${1%%-*}" | awk -F. '{ printf "%d\n", $1 * 1000000 + $2 * 1000 + $3 }'
}

# Where cargo builds: CARGO_TARGET_DIR and cargo's own configuration both have a say.
target_dir() {
  cargo metadata --no-deps --offline --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# --- Programs that are built from crates.io ------------------------------------------------------

# Kept in .tools (git ignores it), or where DEV_TOOLS_DIR says.
tools_dir() {
  mkdir -p "${DEV_TOOLS_DIR:-.tools}/bin" || die "cannot write to ${DEV_TOOLS_DIR:-.tools}."
  (cd "${DEV_TOOLS_DIR:-.tools}" && pwd)
}

# Without optimisation: these programs wait for others, and their build would take twice as long.
install_cargo_tool() {
  local name=$1 version=$2 tools
  shift 2
  tools=$(tools_dir)
  installing "$name $version from crates.io into $tools (minutes, but only once)"
  CARGO_TARGET_DIR="$tools/build" cargo install "$name" --version "$version" --locked --debug \
    --config profile.dev.debug=false --root "$tools" "$@" ||
    die "$name $version could not be installed." "Is there a connection to crates.io?"
  rm -rf "$tools/build"
}

find_cargo_tool() {
  local program=$1 minimum=$2 version
  PATH="$(tools_dir)/bin:$PATH"
  export PATH
  have "$program" || return 1
  version=$("$program" "${program#cargo-}" --version 2>/dev/null | awk 'NR == 1 { print $2 }')
  [ -n "$version" ] && [ "$(version_number "$version")" -ge "$(version_number "$minimum")" ] ||
    return 1
  found "$program $version"
}

find_nextest() { find_cargo_tool cargo-nextest 0.9.100; }
find_deny() { find_cargo_tool cargo-deny 0.18.0; }
find_audit() { find_cargo_tool cargo-audit 0.22.0; }
find_cyclonedx() { find_cargo_tool cargo-cyclonedx 0.5.7; }

# --- Python --------------------------------------------------------------------------------------

python_minor_min=11 # of Python 3

# With the module that makes environments, which Debian has in a package of its own.
find_python() {
  have_python || return 1
  found "$(python3 --version) ($(command -v python3))"
}

have_python() {
  python3 -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $python_minor_min))" 2>/dev/null
}

# python_environment REQUIREMENTS makes an environment with exactly what the file lists, each file of
# which has to have a listed hash, and says where it is. It is kept for as long as the list is the same.
python_environment() {
  local requirements=$1 environment
  environment="$(tools_dir)/python-$(cksum <"$requirements" | tr ' ' '-')"
  if [ ! -e "$environment/complete" ]; then
    installing "what $requirements lists, from PyPI into $environment" >&2
    rm -rf "$environment"
    python3 -m venv "$environment" >&2 &&
      "$environment/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: --requirement "$requirements" >&2 ||
      die "what $requirements lists could not be installed." "Is there a connection to pypi.org?"
    touch "$environment/complete"
  fi
  printf '%s\n' "$environment"
}

# --- System packages -----------------------------------------------------------------------------

find_make() { have make && found "$(make --version | head -n 1)"; }

# `ring` and the linker want a C compiler with its headers.
find_compiler() {
  have cc && printf '#include <stdlib.h>\n' | cc -x c -fsyntax-only - >/dev/null 2>&1 || return 1
  found "C compiler: $(cc --version | head -n 1)"
}

# The same places in the same order as the product itself (src/embedded). Exports PG_BIN, so that
# the product takes what was found here.
find_postgres() {
  local dir best="" best_major=0
  if [ -n "${PG_BIN:-}" ]; then
    postgres_is_usable "$PG_BIN" ||
      die "PG_BIN=$PG_BIN does not hold initdb and postgres of version $postgres_major_min or newer."
    best=$PG_BIN
  elif have pg_config && postgres_is_usable "$(pg_config --bindir)"; then
    best=$(pg_config --bindir)
  else
    for dir in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin \
      /usr/local/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/latest/bin; do
      if postgres_is_usable "$dir" && [ "$(postgres_major "$dir")" -gt "$best_major" ]; then
        best=$dir
        best_major=$(postgres_major "$dir")
      fi
    done
    if [ -z "$best" ] && have postgres && postgres_is_usable "$(dirname "$(command -v postgres)")"; then
      best=$(dirname "$(command -v postgres)")
    fi
  fi
  [ -n "$best" ] || return 1
  export PG_BIN=$best
  found "$("$best/postgres" --version) ($best)"
}

postgres_is_usable() {
  [ -x "$1/initdb" ] && [ -x "$1/postgres" ] && [ "$(postgres_major "$1")" -ge "$postgres_major_min" ]
}

postgres_major() { "$1/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'; }

find_nats() {
  have_nats || return 1
  found "$(nats-server --version) ($(command -v nats-server))"
}

# Debian keeps it in /usr/sbin, which is not on everybody's PATH.
have_nats() {
  local minor
  PATH="$PATH:/usr/sbin:/usr/local/sbin:$(tools_dir)/bin"
  export PATH
  have nats-server || return 1
  minor=$(nats-server --version | sed -n 's/.*v2\.\([0-9]*\).*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$nats_minor_min" ]
}

# Only the program out of Debian's package: the tests start their own server, and the installed
# package would also start a service that listens on port 4222 of every interface.
install_nats() {
  if is_macos || ! have apt-get; then
    die "nats-server 2.$nats_minor_min or newer is needed for the tests." \
      "Put it on the PATH: https://github.com/nats-io/nats-server/releases"
  fi
  local tools work
  tools=$(tools_dir)
  work=$(mktemp -d)
  installing "nats-server out of its Debian package into $tools (no service, no root)"
  # apt fetches as the user _apt, who must be able to write here.
  chmod 777 "$work"
  if ! (cd "$work" && apt-get download nats-server >/dev/null 2>&1); then
    as_root "apt-get update" apt-get update
    (cd "$work" && apt-get download nats-server) || die "apt has no package nats-server." \
      "Put nats-server 2.$nats_minor_min or newer on the PATH: https://github.com/nats-io/nats-server/releases"
  fi
  dpkg -x "$work"/nats-server_*.deb "$work/root"
  cp "$work/root/usr/sbin/nats-server" "$tools/bin/nats-server"
  rm -rf "$work"
}

install_packages() {
  local item apt="" brew=""
  for item in "$@"; do
    case $item in
      make) apt="$apt make" brew="$brew make" ;;
      compiler)
        if is_macos; then
          die "a C compiler is needed." "Run this, then run the same command again:" \
            "  xcode-select --install"
        fi
        apt="$apt gcc libc6-dev"
        ;;
      postgres) apt="$apt postgresql" brew="$brew postgresql@17" ;;
      python) apt="$apt python3-venv" brew="$brew python@3" ;;
      nats) brew="$brew nats-server" ;;
    esac
  done
  if is_macos; then
    [ -z "$brew" ] || brew_install $brew
  elif [ -n "$apt" ]; then
    apt_install $apt
  fi
}

brew_install() {
  have brew || die "these are needed, and there is no Homebrew to install them: $*" \
    "Install Homebrew from https://brew.sh, then run the same command again."
  [ "$(id -u)" -ne 0 ] || die "Homebrew refuses root." \
    "Run this as an ordinary user, then run the same command again:" "  brew install $*"
  installing "$* (brew install)"
  brew install "$@" || die "brew install $* failed."
}

apt_install() {
  local command="apt-get update && apt-get install -y --no-install-recommends $*"
  have apt-get || die "these are needed, and there is no apt to install them: $*" \
    "Install them as your system does it (PostgreSQL server of version $postgres_major_min or newer)," \
    "then run the same command again. PG_BIN names a directory with initdb and postgres."
  installing "$* (apt-get)"
  # No cluster of the system: Lunation makes its own, and another one would take port 5432. The
  # setting goes away again, so that later installations are as the administrator expects them.
  local settings=/etc/postgresql-common/createcluster.d/lunation.conf
  as_root "$command" sh -c '
    set -e
    settings=$1; shift
    if ! dpkg -s postgresql-common >/dev/null 2>&1; then
      mkdir -p "$(dirname "$settings")"
      echo "create_main_cluster = false" >"$settings"
      trap '\''rm -f "$settings"; rmdir "$(dirname "$settings")" 2>/dev/null || :'\'' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    install="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120"
    # The lists of a fresh machine are empty, or too old for the server: only then fetch them.
    $install --simulate "$@" >/dev/null 2>&1 || apt-get update
    $install "$@" || { apt-get update && $install "$@"; }
  ' sh "$settings" "$@" || die "apt-get could not install: $*" "Try it by hand:" "  $command"
}

# as_root MESSAGE COMMAND… runs the command as root, or ends with the MESSAGE of what root has to do.
as_root() {
  local message=$1
  shift
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    say "            (sudo may ask for your password)"
    sudo "$@"
  else
    die "something is missing, and $(id -un) can neither become root by sudo nor install it otherwise." \
      "Have this run as root, then run the same command again:" "  $message"
  fi
}

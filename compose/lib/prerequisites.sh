# shellcheck shell=bash
# What the machine must have: everything missing is named in one line, with the one command that installs it.

# Where a JDK 17 lives: JAVA_HOME, the java of the PATH, or a usual folder. Cassandra 5.0 needs 17 (newer ones have no
# security manager), and a JDK rather than a JRE because compose/lib/Cql.java is run from its source.
find_jdk17() {
  local home java
  java=$(readlink -f "$(command -v java || echo /nonexistent)")
  for home in "${JAVA_HOME:-/nonexistent}" "${java%/bin/java}" /usr/lib/jvm/*17* /opt/java/*17*; do
    if [[ -x $home/bin/javac ]] && grep -qs '^JAVA_VERSION="17[."]' "$home/release"; then
      echo "$home"
      return
    fi
  done
  return 1
}

PG15_BIN=/usr/lib/postgresql/15/bin # where Debian's postgresql-15 puts its programs

# What a build of Rowtide needs: cargo, and for librdkafka a C and C++ tool chain with two libraries' headers.
# shellcheck disable=SC2034 # used by compose/demo and tests/run
BUILD_NEEDS=(cargo make g++ pkg-config libssl-dev zlib1g-dev)

# needs_of SERVICE…: what these services need, each once, with what compose/stack itself needs.
needs_of() {
  local service
  {
    printf '%s\n' flock setsid
    for service in "$@"; do "${service}_needs"; done | tr ' ' '\n'
  } | sort -u
}

# have TOOL: is it there?
have() {
  case $1 in
    jdk17) find_jdk17 >/dev/null ;;
    postgres15) [[ -x $PG15_BIN/postgres ]] ;;
    postgres-user) ((EUID != 0)) || id -u postgres >/dev/null 2>&1 ;;
    libssl-dev) [[ -e /usr/include/openssl/ssl.h ]] ;;
    zlib1g-dev) [[ -e /usr/include/zlib.h ]] ;;
    clippy) cargo clippy --version >/dev/null 2>&1 ;;
    rustfmt) cargo fmt --version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# The Debian package that holds TOOL; nothing for what rustup brings.
package_of() {
  case $1 in
    cargo | clippy | rustfmt) ;;
    jdk17) echo openjdk-17-jdk-headless ;;
    mvn) echo maven ;;
    postgres15) echo postgresql-15 ;;
    postgres-user) echo postgresql-common ;;
    psql) echo postgresql-client-15 ;;
    docker) echo docker.io ;;
    setsid | setpriv | flock) echo util-linux ;;
    *) echo "$1" ;;
  esac
}

# require TOOL…: where some are missing, all of them are named in one line with the one command that installs them, and
# the script ends; or, with --install, that command is run.
require() {
  local tool missing=() packages=() components=() commands=() command sudo=''
  for tool in "$@"; do
    if ! have "$tool"; then missing+=("$tool"); fi
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || sudo='sudo '
  # shellcheck disable=SC2207 # one word per package
  packages=($(for tool in "${missing[@]}"; do package_of "$tool"; done | sort -u))
  for tool in clippy rustfmt; do
    if [[ " ${missing[*]} " == *" $tool "* ]]; then components+=("$tool"); fi
  done
  ((${#packages[@]} == 0)) || commands+=("${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages[*]}")
  if [[ " ${missing[*]} " == *' cargo '* ]]; then
    # rustup is the user's own to install; with it the toolchain of rust-toolchain.toml comes whole.
    ((${#commands[@]} == 0)) || command="; the rest with: ${commands[0]} (or repeat with --install)"
    die "missing: ${missing[*]}; install Rust first, by the one line that https://rustup.rs shows${command:-}"
  fi
  ((${#components[@]} == 0)) || commands+=("rustup component add ${components[*]}")
  command=${commands[0]}${commands[1]:+ && ${commands[1]}}
  $INSTALL || die "missing: ${missing[*]}; install with: $command (or repeat with --install)"
  say "missing: ${missing[*]}; installing with: $command"
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
  ((${#components[@]} == 0)) || rustup component add "${components[@]}"
  for tool in "${missing[@]}"; do
    have "$tool" || die "$tool is still missing after: $command"
  done
}

# Installs Debian packages without starting their services: postgresql-15 would start a cluster of its own on port
# 5432, which the stack does not use. A policy-rc.d that is there already is somebody's decision and stays.
install_packages() {
  local as_root=() policy=/usr/sbin/policy-rc.d ours=false status=0
  ((EUID == 0)) || as_root=(sudo)
  if [[ ! -e $policy ]]; then
    ours=true
    # shellcheck disable=SC2016 # the text of a script
    "${as_root[@]}" sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
  fi
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null || status=$?
  if $ours; then "${as_root[@]}" rm -f "$policy"; fi
  ((status == 0)) || die "apt-get failed with status $status (see above); the packages' names are those of Debian 12"
}

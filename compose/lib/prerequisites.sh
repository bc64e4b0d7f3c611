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

# have TOOL: is it there?
have() {
  case $1 in
    jdk17) find_jdk17 >/dev/null ;;
    postgres15) [[ -x /usr/lib/postgresql/15/bin/postgres ]] ;;
    postgres-user) ((EUID != 0)) || id -u postgres >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# The Debian package that holds TOOL.
package_of() {
  case $1 in
    jdk17) echo openjdk-17-jdk-headless ;;
    mvn) echo maven ;;
    postgres15) echo postgresql-15 ;;
    postgres-user) echo postgresql-common ;;
    psql) echo postgresql-client-15 ;;
    setsid | setpriv | flock) echo util-linux ;;
    *) echo "$1" ;;
  esac
}

# require TOOL…: ends the script, or installs, when one of them is missing.
require() {
  local tool missing=() packages=() command
  for tool in "$@"; do
    have "$tool" && continue
    missing+=("$tool")
    packages+=("$(package_of "$tool")")
  done
  ((${#missing[@]})) || return 0
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  command="apt-get install -y --no-install-recommends ${packages[*]}"
  ((EUID == 0)) || command="sudo $command"
  $INSTALL || die "missing: ${missing[*]}; install with: $command (or repeat with --install)"
  say "missing: ${missing[*]}; installing with: $command"
  install_packages "${packages[@]}"
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
  ((status == 0)) || die "apt-get failed with status $status"
}

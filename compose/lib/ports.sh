# shellcheck shell=bash
# Ports of a stack: chosen once, recorded in `$STACK/ports` (KEY=PORT) and kept for the life of the stack, so that
# clients of a restarted server reconnect. All of them lie below the range from which the system takes the ports of
# outgoing connections (32768 on Linux); a client can therefore not sit on the port of a stopped server.

PORT_FIRST=20000
PORT_COUNT=10000

# The recorded port of key $1.
port_of() {
  sed -n "s/^$1=//p" "$STACK/ports" 2>/dev/null || true
}

# Does any process listen on port $1?
port_listens() {
  local hex
  hex=$(printf '%04X' "$1")
  grep -qsE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6
}

# Records a free port for each KEY that has none. The lock and the recorded ports of all stacks keep parallel `up`s
# of one checkout apart; the search begins at a place of its own for each folder, so that checkouts seldom meet.
reserve_ports() {
  local key taken port
  exec 9>"$ROOT/.locks/.ports"
  flock -w 60 9 || die "another compose/stack holds $ROOT/.locks/.ports for over 60 s"
  taken=" $({ cat "$ROOT"/*/ports 2>/dev/null || true; } | sed "s/.*=//" | tr "\n" " ") "
  port=$((PORT_FIRST + $(cksum <<<"$STACK" | cut -d' ' -f1) % PORT_COUNT))
  for key in "$@"; do
    [[ -z $(port_of "$key") ]] || continue
    port=$(next_free_port "$port" "$taken")
    taken+="$port "
    echo "$key=$port" >>"$STACK/ports"
  done
  exec 9>&-
}

# The first port from $1 on that is not in the list $2 and that nobody listens on.
next_free_port() {
  local port=$1 tries
  for ((tries = 0; tries < PORT_COUNT; tries++)); do
    if [[ $2 != *" $port "* ]] && ! port_listens "$port"; then
      echo "$port"
      return
    fi
    port=$((PORT_FIRST + (port + 1 - PORT_FIRST) % PORT_COUNT))
  done
  die "no free port in $PORT_FIRST-$((PORT_FIRST + PORT_COUNT - 1))"
}

# Refuses to start service $1 on a recorded port that somebody else has taken meanwhile.
check_ports_free() {
  local service=$1 key port
  for key in $("${service}_ports"); do
    port=$(port_of "$key")
    if port_listens "$port"; then
      die "port $port of $service is taken by another process; end that one, or choose new ports with: compose/stack down --name $NAME"
    fi
  done
}

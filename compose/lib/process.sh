# shellcheck shell=bash
# Processes of a stack: started in a session of their own so that they outlive the script, and known by pid *and*
# start time, so that a pid which the system gave to somebody else meanwhile is never signalled.
#
# `$STACK/SERVICE.pid` holds one line: PID, START (clock ticks since boot, field 22 of /proc/PID/stat) and FROM
# (the byte of the log at which this start begins; a readiness probe looks no further back).

# The state letter and the start time of process $1; fails where there is no such process.
process_stat() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  stat=${stat##*) } # the command's name may itself hold spaces and brackets
  # shellcheck disable=SC2086 # split on purpose: the fields from the third on
  set -- $stat
  echo "$1 ${20}"
}

# Is process $1, started at $2, still running? A zombie is not.
process_alive() {
  local state start
  read -r state start < <(process_stat "$1") || return 1
  [[ $start == "$2" && $state != Z ]]
}

# The pid of service $1; fails unless that process runs.
service_pid() {
  local pid start
  { read -r pid start _ <"$STACK/$1.pid"; } 2>/dev/null || return 1
  process_alive "$pid" "$start" && echo "$pid"
}

service_runs() { service_pid "$1" >/dev/null; }

# start_process SERVICE FOLDER COMMAND…: runs COMMAND from FOLDER with its output appended to the service's log.
# The pid file is written by the process itself before it becomes COMMAND: no moment exists in which the server runs
# and nobody knows its pid. The locks (8, 9) are closed, or the server would hold them for its whole life.
start_process() {
  local service=$1 folder=$2 log=$STACK/$1.log
  shift 2
  touch "$log"
  (
    cd "$folder" || exit
    from=$(($(stat -c %s "$log") + 1))
    pid=$BASHPID # before the line below: in there it is another process
    read -r _ start < <(process_stat "$pid")
    echo "$pid $start $from" >"$STACK/$service.pid.new"
    mv "$STACK/$service.pid.new" "$STACK/$service.pid"
    exec setsid "$@" </dev/null >>"$log" 2>&1 8>&- 9>&-
  ) &
  disown # its end is for the script to find and tell, not for the shell
}

# What service $1 has logged since its last start.
log_since_start() {
  local from
  read -r _ _ from <"$STACK/$1.pid" && tail -c "+$from" "$STACK/$1.log"
}

# Has service $1 logged the text $2 since its last start?
log_says() {
  grep -qF "$2" < <(log_since_start "$1")
}

# Waits until service $1 is gone, for at most $2 seconds.
await_end() {
  local deadline=$((SECONDS + $2))
  while service_runs "$1"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# signal_service SERVICE SIGNAL: nothing where it does not run.
signal_service() {
  local pid
  pid=$(service_pid "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || true
}

# SIGKILL for service $1 and its direct children, as at the end of a machine: Postgres' back ends would otherwise outlive
# their postmaster for a moment and keep a restart from starting. The parent first, or it would notice.
kill_service() {
  local pid children
  pid=$(service_pid "$1") || return 0
  mapfile -t children < <(children_of "$pid")
  kill -KILL "$pid" "${children[@]}" 2>/dev/null || true
  await_end "$1" 20 || die "$1 (pid $pid) does not die of SIGKILL"
}

children_of() {
  local stat pid
  for stat in /proc/[0-9]*/stat; do
    pid=${stat#/proc/} pid=${pid%/stat}
    { stat=$(<"$stat"); } 2>/dev/null || continue
    stat=${stat##*) }
    # shellcheck disable=SC2086 # split on purpose
    set -- "$1" $stat
    if [[ $3 == "$1" ]]; then echo "$pid"; fi
  done
}

# For how many seconds process $1 has been running.
uptime_of() {
  local up start
  read -r up _ </proc/uptime
  read -r _ start < <(process_stat "$1")
  echo $((${up%.*} - start / $(getconf CLK_TCK)))
}

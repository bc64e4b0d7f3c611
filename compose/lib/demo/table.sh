# shellcheck shell=bash
# What the demo does each second, and the table that shows it: redrawn in place on a terminal, plain lines elsewhere.

PROBE=00000000-0000-4000-8000-00000000cafe # a row of the demo's own: updated with a nonce, awaited in Cassandra
PROBE_SECONDS=60
RUNS=0 USERS=0 CHANGES=0 FAILED_TASKS=0        # from the worker's metrics
ROWS_IN_POSTGRES=0 ROWS_IN_CASSANDRA=0
UPDATED=0 DELETED=0                            # rows, by this script
LATENCIES=() LATENCY=0 P50=0 MAX=0             # in milliseconds
TABLE_LINES=0 TABLE_OPEN=false LAST_LINE=-1

# Changes by others while users arrive: five rows updated and two deleted, chosen by chance.
change_rows() {
  ask_sql "with chosen as (select id from created_users where id <> '$PROBE' order by random() limit 5)
    update created_users set last_name = last_name || '*' where id in (select id from chosen) returning id"
  UPDATED=$((UPDATED + ${#ANSWER[@]}))
  ask_sql "with chosen as (select id from created_users where id <> '$PROBE' order by random() limit 2)
    delete from created_users where id in (select id from chosen) returning id"
  DELETED=$((DELETED + ${#ANSWER[@]}))
  ((${#ANSWER[@]} == 0)) || printf '%s\n' "${ANSWER[@]}" >>"$FOLDER/deleted.ids"
}

# The first change takes longer than all others: the sink joins its group, tables and statements are prepared. It is awaited
# before anything is measured.
await_road() {
  say "waiting for a first row to come through"
  ask_sql "insert into created_users (id, first_name, phone) values ('$PROBE', 'probe', 'first')"
  await "$PROBE_SECONDS" "the arrival of a row of Postgres in Cassandra" probe_shows first
}

probe_shows() {
  ask_cql "select phone from spark_streams.created_users where id = $PROBE"
  [[ ${ANSWER[0]:-} == "$1" ]]
}

# From just before the UPDATE is sent to Postgres until Cassandra returns the new value; both sides are asked by sessions
# that are open already, Cassandra every two milliseconds.
probe() {
  local nonce=n${#LATENCIES[@]} begun deadline=$((SECONDS + PROBE_SECONDS))
  begun=${EPOCHREALTIME/[.,]/}
  ask_sql "update created_users set phone = '$nonce' where id = '$PROBE'"
  until probe_shows "$nonce"; do
    watch_worker
    ((SECONDS < deadline)) || die "an update of Postgres did not reach Cassandra within $PROBE_SECONDS s; $(why)"
    pause 0.002
  done
  LATENCY=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
  LATENCIES+=("$LATENCY")
  mapfile -t sorted < <(printf '%s\n' "${LATENCIES[@]}" | sort -n)
  # shellcheck disable=SC2154 # mapfile assigns it
  P50=${sorted[$(((${#sorted[@]} - 1) / 2))]} MAX=${sorted[-1]}
}

# Counts: what the worker says, and what the databases hold.
look() {
  watch_worker
  read -r RUNS USERS CHANGES FAILED_TASKS < <(curl -fs --max-time 10 "$REST/metrics" | awk '
    /^rowtide_schedule_runs_total\{/ && /randomuser/ { runs += $NF }
    /^kafka_connect_source_task_source_record_write_total\{/ && /randomuser/ { users += $NF }
    /^kafka_connect_source_task_source_record_write_total\{/ && /postgres-source/ { changes += $NF }
    /^kafka_connect_connector_task_status\{/ && /"failed"/ { failed += $NF }
    END { print runs + 0, users + 0, changes + 0, failed + 0 }')
  ((FAILED_TASKS == 0)) || die "$(why)"
  ask_sql 'select count(*) from created_users'
  ROWS_IN_POSTGRES=${ANSWER[0]}
  ask_cql 'select count(*) from spark_streams.created_users'
  ROWS_IN_CASSANDRA=${ANSWER[0]}
}

# The first line of a failed task's trace, or where to look.
why() {
  local name status
  for name in randomuser postgres-sink postgres-source cassandra-sink; do
    status=$(curl -fs --max-time 10 "$REST/connectors/$name/status") || continue
    [[ $status == *'"state":"FAILED"'* ]] || continue
    status=${status#*'"trace":"'}
    echo "connector $name FAILED: ${status%%[\"\\]*}; the worker's log is $FOLDER/worker.log"
    return
  done
  echo "no connector has failed; the worker's log is $FOLDER/worker.log"
}

# worker_memory VmRSS|VmHWM: resident now or at most, in MB.
worker_memory() { awk -v key="$1:" '$1 == key { printf "%.0f", $2 / 1024 }' "/proc/$WORKER_PID/status"; }

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

open_table() {
  TABLE_OPEN=true
  say
  if [[ -t 1 ]]; then printf '\e[?25l'; fi # the cursor would flicker
}

# draw_table SECONDS
draw_table() {
  local lines line
  if [[ ! -t 1 ]]; then
    # Every five seconds is enough for a log.
    ((LAST_LINE < 0 || $1 >= LAST_LINE + 5)) || return 0
    LAST_LINE=$1
    printf '%5s  runs %d, users %d, rows in Postgres %d, changes captured %d, rows in Cassandra %d, latency %d ms (p50 %d, max %d), worker %s MB\n' \
      "$(clock "$1")" "$RUNS" "$USERS" "$ROWS_IN_POSTGRES" "$CHANGES" "$ROWS_IN_CASSANDRA" "$LATENCY" "$P50" "$MAX" "$(worker_memory VmRSS)"
    return
  fi
  lines=(
    "$(printf '  %-18s %9s of %s' 'time' "$(clock "$1")" "$(clock "$RUN_SECONDS")")"
    "$(printf '  %-18s %9d   by the schedule, one every five seconds' 'runs' "$RUNS")"
    "$(printf '  %-18s %9d   into Kafka, topic users_created' 'users ingested' "$USERS")"
    "$(printf '  %-18s %9d   after %d updated and %d deleted here' 'rows in Postgres' "$ROWS_IN_POSTGRES" "$UPDATED" "$DELETED")"
    "$(printf '  %-18s %9d   into Kafka, topic pg.public.created_users' 'changes captured' "$CHANGES")"
    "$(printf '  %-18s %9d   table spark_streams.created_users' 'rows in Cassandra' "$ROWS_IN_CASSANDRA")"
    "$(printf '  %-18s %6d ms   UPDATE in Postgres to read in Cassandra; p50 %d, max %d' 'latency' "$LATENCY" "$P50" "$MAX")"
    "$(printf '  %-18s %6s MB   resident, all four connectors and the registry' 'worker' "$(worker_memory VmRSS)")"
  )
  if ((TABLE_LINES)); then printf '\e[%dA' "$TABLE_LINES"; fi
  # Lines are cut rather than wrapped: the way back up counts them.
  printf '\e[?7l'
  for line in "${lines[@]}"; do printf '\e[2K%s\n' "$line"; done
  printf '\e[?7h'
  TABLE_LINES=${#lines[@]}
}

close_table() {
  LAST_LINE=-1
  draw_table "$1"
  clear_table
  say
}

# The terminal as it was; what the table shows stays.
clear_table() {
  $TABLE_OPEN || return 0
  TABLE_OPEN=false
  if [[ -t 1 ]]; then printf '\e[?25h'; fi
}

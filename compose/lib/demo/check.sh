# shellcheck shell=bash
# What the demo proves at its end, after ingestion has been paused:
# 1. the ids in the topic users_created are exactly those that live in Postgres and those that the demo deleted there;
# 2. Postgres and Cassandra hold the same rows, every cell of them.
#
# Rows still on their way are waited for, with a deadline: nothing changes any more, so a difference that stays is one.

COLUMNS_OF_USERS='id, first_name, last_name, gender, address, post_code, email, username, dob, registered_date, phone, picture'
FENCE=00000000-0000-4000-8000-00000000fe4c
CHECK_SECONDS=60

check() {
  say "pausing the ingestion"
  curl -fsS --max-time 10 -o /dev/null -X PUT "$REST/connectors/randomuser/pause" || die "the worker did not take the pause"
  await "$CHECK_SECONDS" "the pause of randomuser" paused
  check_keys
  say "writing a fence row to Postgres, and waiting for it in Cassandra"
  ask_sql "insert into created_users (id, first_name) values ('$FENCE', 'fence')"
  await "$CHECK_SECONDS" "the fence's arrival in Cassandra" fence_arrived
  check_cells
  look
}

paused() {
  local status
  status=$(curl -fs --max-time 10 "$REST/connectors/randomuser/status") && [[ $status != *RUNNING* && $status == *PAUSED* ]]
}

fence_arrived() {
  ask_cql "select first_name from spark_streams.created_users where id = $FENCE"
  [[ ${ANSWER[0]:-} == fence ]]
}

# 1. Ids in the topic, and in Postgres.
check_keys() {
  local keys live deleted
  topic_keys >"$FOLDER/topic.ids"
  touch "$FOLDER/deleted.ids"
  LC_ALL=C sort -u -o "$FOLDER/deleted.ids" "$FOLDER/deleted.ids"
  keys=$(wc -l <"$FOLDER/topic.ids")
  ((keys > 0)) || die "users_created holds no users"
  if ! within "$CHECK_SECONDS" same_ids; then
    show_ids 'in the topic, but neither in Postgres nor deleted by the demo' -23
    show_ids 'in Postgres, but not in the topic' -13
    die "users_created and Postgres do not hold the same users: see $FOLDER/topic.ids and $FOLDER/postgres.ids"
  fi
  live=$(wc -l <"$FOLDER/live.ids") deleted=$(wc -l <"$FOLDER/deleted.ids")
  say "users_created has $keys distinct keys = $live rows alive in Postgres + $deleted deleted by the demo, id by id"
}

# Distinct keys of the topic up to its end now. They are Avro: a prefix, then the id's length (36, as the letter H) and text.
topic_keys() {
  local count
  count=$(kafka_tool GetOffsetShell --topic users_created | awk -F : '{ sum += $3 } END { print sum + 0 }')
  ((count > 0)) || return 0
  kafka_tool consumer.ConsoleConsumer --topic users_created --from-beginning --max-messages "$count" --timeout-ms 30000 \
    --formatter-property print.key=true --formatter-property print.value=false |
    grep -aoE 'H[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' | cut -c 2- | LC_ALL=C sort -u
}

# kafka_tool CLASS OPTION…: without its log, which would go to standard output.
kafka_tool() {
  local class=$1
  shift
  CLASSPATH="$LIB/kafka/*" "$(find_jdk17)/bin/java" -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData \
    -Dlog4j2.level=OFF "org.apache.kafka.tools.$class" --bootstrap-server "$KAFKA_BOOTSTRAP" "$@" 2>>"$FOLDER/kafka-tools.log"
}

same_ids() {
  ask_sql "select id from created_users where id not in ('$PROBE', '$FENCE')"
  printf '%s\n' "${ANSWER[@]}" | LC_ALL=C sort >"$FOLDER/live.ids"
  LC_ALL=C sort -u "$FOLDER/live.ids" "$FOLDER/deleted.ids" >"$FOLDER/postgres.ids"
  cmp -s "$FOLDER/topic.ids" "$FOLDER/postgres.ids"
}

# show_ids WHAT COLUMNS: how many ids `comm` finds on one side only, and the first of them.
show_ids() {
  local ids
  mapfile -t ids < <(LC_ALL=C comm "$2" "$FOLDER/topic.ids" "$FOLDER/postgres.ids")
  ((${#ids[@]} == 0)) || say "${#ids[@]} $1: ${ids[*]:0:3}"
}

# 2. Cells in Postgres, and in Cassandra.
check_cells() {
  within "$CHECK_SECONDS" same_cells || {
    say "the first differences, < Postgres, > Cassandra:"
    diff "$FOLDER/postgres.tsv" "$FOLDER/cassandra.tsv" | grep '^[<>]' | head -n 6 || true
    die "Postgres and Cassandra differ: see $FOLDER/postgres.tsv and $FOLDER/cassandra.tsv"
  }
  say "Postgres and Cassandra hold the same $(wc -l <"$FOLDER/postgres.tsv") rows, cell by cell"
}

same_cells() {
  ask_sql "select $COLUMNS_OF_USERS from created_users"
  printf '%s\n' "${ANSWER[@]}" | LC_ALL=C sort >"$FOLDER/postgres.tsv"
  ask_cql "select $COLUMNS_OF_USERS from spark_streams.created_users"
  printf '%s\n' "${ANSWER[@]}" | LC_ALL=C sort >"$FOLDER/cassandra.tsv"
  cmp -s "$FOLDER/postgres.tsv" "$FOLDER/cassandra.tsv"
}

# within SECONDS COMMAND: fails when the command does not succeed in that time.
within() {
  local deadline=$((SECONDS + $1))
  until "$2"; do
    watch_worker
    ((SECONDS < deadline)) || return 1
    pause 0.5
  done
}

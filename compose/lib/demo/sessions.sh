# shellcheck shell=bash
# The demo's two clients, one long-lived process each: to start one for each question would take longer than what the
# demo wants to measure. Both answer a statement with its rows, cells separated by tabs, and a line `\.`.

SESSIONS_OPEN=false
ANSWER=() # the rows of the last answer

open_sessions() {
  mkfifo "$FOLDER/sql.answers" "$FOLDER/cql.answers"
  # In sessions of their own: an interrupt at the terminal is for the demo alone, which ends them.
  exec {SQL_TO}> >(exec setsid psql -X -qAt -F $'\t' -P null=null -v ON_ERROR_STOP=1 -h "$PG_HOST" -p "$PG_PORT" -U "$PG_USER" -d rowtide \
    >"$FOLDER/sql.answers" 2>"$FOLDER/sql.errors" 8>&-)
  exec {SQL_FROM}<"$FOLDER/sql.answers"
  exec {CQL_TO}> >(exec setsid compose/stack cql --name "$NAME" -i >"$FOLDER/cql.answers" 2>"$FOLDER/cql.errors" 8>&-)
  exec {CQL_FROM}<"$FOLDER/cql.answers"
  rm "$FOLDER/sql.answers" "$FOLDER/cql.answers" # open now; a reader of the folder would wait on them for ever
  exec {SILENCE}<> <(:) # nothing ever comes from here: what to wait on for part of a second without a process
  SESSIONS_OPEN=true
  trap : PIPE # a session that ended is noticed by its missing answer
}

# Both end at the end of their input.
close_sessions() {
  $SESSIONS_OPEN || return 0
  SESSIONS_OPEN=false
  exec {SQL_TO}>&- {SQL_FROM}<&- {CQL_TO}>&- {CQL_FROM}<&-
}

# ask TO FROM WHOSE TEXT: sends it, and reads the answer into ANSWER.
ask() {
  local line
  ANSWER=()
  { printf '%s\n' "$4" >&"$1"; } 2>/dev/null || true
  while IFS= read -r line <&"$2"; do
    [[ $line != '\.' ]] || return 0
    ANSWER+=("$line")
  done
  clear_table
  cat "$FOLDER/$3.errors" >&2
  die "the $3 session has ended; its last words are above"
}

ask_sql() { ask "$SQL_TO" "$SQL_FROM" sql "$1;"$'\n'"\\echo '\\\\.'"; }
ask_cql() { ask "$CQL_TO" "$CQL_FROM" cql "$1;"; }

# pause SECONDS
pause() { read -rt "$1" -u "$SILENCE" || true; }

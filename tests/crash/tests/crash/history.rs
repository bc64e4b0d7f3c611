//! What Postgres says has happened: a table filled by a trigger in the transactions themselves, so that it holds exactly
//! what committed, each key's changes in their order.

use std::collections::BTreeMap;

use rowtide_crash::ledgers::{LEDGERS, Ledger};
use rowtide_crash::model::{History, Noted};

use crate::rig::Rig;

/// Every image of every row gets a number of its own. Rows of one key are ordered by `seq`: a second change of a row waits
/// for the first one's lock before its trigger runs. `fates` says what became of the columns of a row that
/// stays, and that a row went to another key.
const TABLES: &str = "
create sequence versions;
create table history (seq bigserial primary key, xid bigint not null default pg_current_xact_id()::text::bigint,
  ledger text not null, op text not null, id bigint not null, version bigint, fates text);
create function numbered() returns trigger language plpgsql as $$
begin new.version := nextval('versions'); return new; end $$;
create function fate(was anyelement, now anyelement, inline int) returns text language sql immutable as $$
  select case
    when was is not distinct from now then case when pg_column_size(now) > inline then 'left' else 'same' end
    when now is null then 'nulled'
    when pg_column_size(now) > inline then 'large'
    else 'small' end $$;";

/// The trigger of all ledgers; it is compiled for each table on its own.
fn trigger() -> String {
    let numbers = |ledger: &Ledger| {
        format!(
            "when '{}' then
               if tg_op <> 'INSERT' then was := {}; end if;
               if tg_op <> 'DELETE' then is_now := {}; end if;
               if tg_op = 'UPDATE' then {} end if;\n",
            ledger.name,
            ledger.number("old."),
            ledger.number("new."),
            ledger.fates()
        )
    };
    let numbers: String = LEDGERS.iter().map(numbers).collect();
    format!(
        "create function noted() returns trigger language plpgsql as $$
declare was bigint; is_now bigint; words text[] := '{{}}'; fates text;
begin
  case tg_table_name {numbers} end case;
  select string_agg(distinct word, ' ') into fates from unnest(words) word;
  if tg_op = 'INSERT' then
    insert into history (ledger, op, id, version) values (tg_table_name, 'c', is_now, new.version);
  elsif tg_op = 'DELETE' then
    insert into history (ledger, op, id) values (tg_table_name, 'd', was);
  elsif is_now = was then
    insert into history (ledger, op, id, version, fates) values (tg_table_name, 'u', is_now, new.version, fates);
  else
    insert into history (ledger, op, id, fates) values (tg_table_name, 'd', was, 'moved');
    insert into history (ledger, op, id, version, fates) values (tg_table_name, 'c', is_now, new.version, fates);
  end if;
  return null;
end $$;"
    )
}

/// Creates the ledgers and their history.
pub(crate) fn tables() -> String {
    let ledgers: String = LEDGERS.iter().map(Ledger::in_postgres).collect();
    format!("{TABLES}\n{}\n{ledgers}", trigger())
}

/// Reads it, by ledger.
pub(crate) fn read(rig: &Rig) -> BTreeMap<String, History> {
    let mut histories = BTreeMap::<_, History>::new();
    let rows = rig.sql(
        &rig.name,
        "select seq, xid, ledger, op, id, version from history order by seq",
    );
    for row in rows.lines() {
        let fields: Vec<_> = row.split('\t').collect();
        let [seq, xid, ledger, op, id, version] = fields[..] else {
            panic!("an odd row of history: {row}");
        };
        let noted = Noted {
            seq: seq.parse().expect("a sequence"),
            xid: xid.parse().expect("a transaction"),
            op: op.chars().next().expect("an operation"),
            version: version.parse().ok(),
        };
        let id = id.parse().expect("an id");
        let history = histories.entry(ledger.to_owned()).or_default();
        history.entry(id).or_default().push(noted);
    }
    histories
}

/// The newest change noted so far.
pub(crate) fn newest(rig: &Rig) -> u64 {
    let text = rig.sql(&rig.name, "select coalesce(max(seq), 0) from history");
    text.trim().parse().expect("a sequence")
}

/// Kinds of changes that have to have happened in each ledger. `left`: a value that stays out of line was not touched.
pub(crate) const KINDS: [&str; 15] = [
    "delete",
    "insert",
    "insert behind a deletion in one transaction",
    "insert of a key that was deleted before",
    "move",
    "move and large",
    "move and left",
    "move and nulled",
    "move and small",
    "move of nothing else",
    "update",
    "update and large",
    "update and left",
    "update and nulled",
    "update of nothing",
];

/// How many changes of each kind committed, by ledger.
pub(crate) fn kinds(rig: &Rig) -> BTreeMap<(String, String), u64> {
    let rows = rig.sql(
        &rig.name,
        "with noted as (
           select ledger, case when op = 'u' then 'update' when fates = 'moved' then 'moved' when op = 'd' then 'delete'
                               when fates is null then 'insert' else 'move' end as kind, xid, fates,
             lag(op) over w as op_before, lag(xid) over w as xid_before
           from history window w as (partition by ledger, id order by seq))
         select ledger, kind, count(*) from (
           select ledger, kind from noted
           union all select ledger, kind || ' and ' || fate from noted, string_to_table(fates, ' ') fate where fate <> 'same'
           union all select ledger, case kind when 'move' then 'move of nothing else' else kind || ' of nothing' end
             from noted where not fates ~ '(large|small|nulled)'
           union all select ledger, kind || case when xid = xid_before then ' behind a deletion in one transaction'
             else ' of a key that was deleted before' end from noted where kind = 'insert' and op_before = 'd'
         ) of_all group by 1, 2 order by 1, 2",
    );
    let counted = rows.lines().map(|row| {
        let [ledger, kind, count] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("an odd count of history: {row}");
        };
        (
            (ledger.to_owned(), kind.to_owned()),
            count.parse().expect("a count"),
        )
    });
    counted.collect()
}

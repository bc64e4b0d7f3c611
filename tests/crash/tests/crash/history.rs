//! What Postgres says has happened: a table filled by a trigger in the transactions themselves, so that it holds exactly
//! what committed, each key's changes in their order.

use rowtide_crash::model::{History, Noted};

use crate::rig::Rig;

/// Every image of every row gets a number of its own. Rows of one key are ordered by `seq`: a second change of a row waits
/// for the first one's lock before its trigger runs.
pub(crate) const TABLES: &str = "
create sequence versions;
create table ledger (id bigint primary key, version bigint not null default 0, body text, note text);
alter table ledger alter column body set storage external;
create table history (seq bigserial primary key, xid bigint not null default pg_current_xact_id()::text::bigint,
  op text not null, id bigint not null, version bigint);
create function numbered() returns trigger language plpgsql as $$
begin new.version := nextval('versions'); return new; end $$;
create function noted() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then insert into history (op, id, version) values ('c', new.id, new.version);
  elsif tg_op = 'DELETE' then insert into history (op, id) values ('d', old.id);
  elsif new.id = old.id then insert into history (op, id, version) values ('u', new.id, new.version);
  else insert into history (op, id, version) values ('d', old.id, null), ('c', new.id, new.version);
  end if;
  return null;
end $$;
create trigger numbered before insert or update on ledger for each row execute function numbered();
create trigger noted after insert or update or delete on ledger for each row execute function noted();";

/// Reads it.
pub(crate) fn read(rig: &Rig) -> History {
    let mut history = History::new();
    let rows = rig.sql(
        &rig.name,
        "select seq, xid, op, id, version from history order by seq",
    );
    for row in rows.lines() {
        let fields: Vec<_> = row.split('\t').collect();
        let [seq, xid, op, id, version] = fields[..] else {
            panic!("an odd row of history: {row}");
        };
        let noted = Noted {
            seq: seq.parse().expect("a sequence"),
            xid: xid.parse().expect("a transaction"),
            op: op.chars().next().expect("an operation"),
            version: version.parse().ok(),
        };
        let id = id.parse().expect("an id");
        history.entry(id).or_default().push(noted);
    }
    history
}

/// The newest change noted so far.
pub(crate) fn newest(rig: &Rig) -> u64 {
    let text = rig.sql(&rig.name, "select coalesce(max(seq), 0) from history");
    text.trim().parse().expect("a sequence")
}

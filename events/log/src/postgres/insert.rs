//! A draft in the shape in which one statement takes it: each column is an array.

use carrel_model::record::Position;
use sqlx::PgConnection;
use uuid::Uuid;

use super::draft::{Draft, DraftRecord, DraftUnit};
use super::follow::CHANNEL;
use super::rows::{to_i64, trace_bytes};

/// All of a batch in one round trip. Whoever listens is told when the transaction commits.
const INSERT: &str = "
    WITH new_units AS (
        INSERT INTO carrel_log.units (command_id, first, last, fingerprint, incarnation, org,
            actor_id, actor_method, causation_id, correlation_id, trace_parent, at_us, link)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[],
            $6::text[], $7::uuid[], $8::text[], $9::uuid[], $10::uuid[], $11::bytea[],
            $12::bigint[], $13::bytea[])
    ), new_records AS (
        INSERT INTO carrel_log.records (position, unit, category, stream_id, version, event_id,
            kind, schema, data)
        SELECT * FROM unnest($14::bigint[], $15::bigint[], $16::text[], $17::uuid[],
            $18::bigint[], $19::uuid[], $20::text[], $21::integer[], $22::bytea[])
    ), new_ends AS (
        INSERT INTO carrel_log.streams (category, stream_id, version)
        SELECT * FROM unnest($23::text[], $24::uuid[], $25::bigint[])
        ON CONFLICT (category, stream_id) DO UPDATE SET version = excluded.version
    )
    SELECT pg_notify($26, $27)";

pub(super) async fn insert(connection: &mut PgConnection, draft: &Draft) -> sqlx::Result<()> {
    let units = draft.units();
    let unit = Units(units);
    let record = Records::of_units(units);
    let (streams, versions): (Vec<_>, Vec<_>) = draft.streams().into_iter().unzip();
    sqlx::query(INSERT)
        .bind(unit.of(|unit| unit.header.command_id.uuid()))
        .bind(unit.of(|unit| number(unit.first)))
        .bind(unit.of(|unit| number(unit.last)))
        .bind(unit.of(|unit| &unit.header.fingerprint.0[..]))
        .bind(unit.of(|unit| i64::from(unit.header.incarnation.0)))
        .bind(unit.of(|unit| unit.header.origin.org.as_str()))
        .bind(unit.of(|unit| unit.header.origin.actor.id.uuid()))
        .bind(unit.of(|unit| unit.header.origin.actor.method.as_str()))
        .bind(unit.of(|unit| unit.header.origin.causation_id.uuid()))
        .bind(unit.of(|unit| unit.header.origin.correlation_id.uuid()))
        .bind(unit.of(|unit| unit.header.origin.trace_parent.as_ref().map(trace_bytes)))
        .bind(unit.of(|unit| unit.header.origin.at.0))
        .bind(unit.of(|unit| &unit.link.0[..]))
        .bind(record.of(|_, record| number(record.position)))
        .bind(record.of(|unit, _| number(unit.first)))
        .bind(record.of(|_, record| record.new.stream.category.as_str()))
        .bind(record.of(|_, record| record.new.stream.id))
        .bind(record.of(|_, record| to_i64(record.version.0)))
        .bind(record.of(|_, record| record.new.event_id.uuid()))
        .bind(record.of(|_, record| record.new.kind.as_str()))
        .bind(record.of(|_, record| i32::from(record.new.schema)))
        .bind(record.of(|_, record| &record.new.data[..]))
        .bind(streams.iter().map(|stream| stream.category.as_str()).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.id).collect::<Vec<Uuid>>())
        .bind(versions.iter().map(|version| to_i64(version.0)).collect::<Vec<_>>())
        .bind(CHANNEL)
        .bind(draft.head().position.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

struct Units<'a>(&'a [DraftUnit]);

impl<'a> Units<'a> {
    fn of<T>(&self, field: impl Fn(&'a DraftUnit) -> T) -> Vec<T> {
        self.0.iter().map(field).collect()
    }
}

struct Records<'a>(Vec<(&'a DraftUnit, &'a DraftRecord)>);

impl<'a> Records<'a> {
    fn of_units(units: &'a [DraftUnit]) -> Self {
        let of_unit = |unit: &'a DraftUnit| unit.records.iter().map(move |record| (unit, record));
        Self(units.iter().flat_map(of_unit).collect())
    }

    fn of<T>(&self, field: impl Fn(&'a DraftUnit, &'a DraftRecord) -> T) -> Vec<T> {
        self.0.iter().map(|(unit, record)| field(unit, record)).collect()
    }
}

fn number(position: Position) -> i64 {
    to_i64(position.0)
}

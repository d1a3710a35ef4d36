-- The event log. The role that runs this owns it; the application's role may add to units and
-- records and can do nothing else to them, see admit() at the end.

-- One row: which log this is.
CREATE TABLE carrel_log.log (
    single      boolean PRIMARY KEY DEFAULT true CHECK (single),
    log_id      uuid    NOT NULL,
    incarnation bigint  NOT NULL
);

-- One accepted command: what its records share stands here once. It is not partitioned, because a
-- command id has to be unique in all of the log.
CREATE TABLE carrel_log.units (
    command_id     uuid   PRIMARY KEY,
    first          bigint NOT NULL UNIQUE,
    last           bigint NOT NULL,
    fingerprint    bytea  NOT NULL,
    incarnation    bigint NOT NULL,
    org            text   COLLATE "C" NOT NULL,
    actor_id       uuid   NOT NULL,
    actor_method   text   COLLATE "C" NOT NULL,
    causation_id   uuid   NOT NULL,
    correlation_id uuid   NOT NULL,
    -- Trace id, parent id and flags: 25 bytes.
    trace_parent   bytea,
    -- Microseconds since 1970, from the writer's clock.
    at_us          bigint NOT NULL,
    -- The chain's link after the unit's last record.
    link           bytea  NOT NULL,
    CHECK (first > 0 AND last >= first)
);

CREATE TABLE carrel_log.records (
    position  bigint  NOT NULL PRIMARY KEY,
    -- The position of the first record of its unit.
    unit      bigint  NOT NULL,
    category  text    COLLATE "C" NOT NULL,
    stream_id uuid    NOT NULL,
    version   bigint  NOT NULL,
    event_id  uuid    NOT NULL,
    kind      text    COLLATE "C" NOT NULL,
    schema    integer NOT NULL,
    -- As it came. What is in it is not the log's business, so it is not jsonb.
    data      bytea   NOT NULL
) PARTITION BY RANGE (position);

CREATE INDEX records_by_stream ON carrel_log.records (category, stream_id, version);

-- Which partitions there are: positions from `first` up to and without `past`.
CREATE TABLE carrel_log.partitions (
    first bigint PRIMARY KEY,
    past  bigint NOT NULL CHECK (past > first)
);

-- Where each stream ends. It could be asked of records, but that would look into every partition.
-- Most updates find room in the same page, and then need no work on the index.
CREATE TABLE carrel_log.streams (
    category  text   COLLATE "C" NOT NULL,
    stream_id uuid   NOT NULL,
    version   bigint NOT NULL,
    PRIMARY KEY (category, stream_id)
) WITH (fillfactor = 80);

CREATE TABLE carrel_log.cursors (
    name        text   COLLATE "C" PRIMARY KEY,
    position    bigint NOT NULL,
    epoch       bigint NOT NULL,
    incarnation bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE carrel_log.leases (
    name  text   COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE carrel_log.snapshots (
    id       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text    COLLATE "C" NOT NULL,
    model    bytea   NOT NULL,
    position bigint  NOT NULL,
    link     bytea   NOT NULL,
    bytes    bigint  NOT NULL,
    crc32c   bigint  NOT NULL
);

CREATE INDEX snapshots_by_kind ON carrel_log.snapshots (kind, position);

-- A field holds a gigabyte at most, and a snapshot may be larger.
CREATE TABLE carrel_log.snapshot_pieces (
    snapshot bigint  NOT NULL REFERENCES carrel_log.snapshots (id) ON DELETE CASCADE,
    nth      integer NOT NULL,
    data     bytea   NOT NULL,
    PRIMARY KEY (snapshot, nth)
);

-- Compressing megabytes with what the database has for it takes longer than writing them.
ALTER TABLE carrel_log.snapshot_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- Makes partitions of `size` positions, until there is one for `up_to`. Returns the first position
-- that there is none for.
--
-- It runs with its owner's rights, since the application's role may not create tables. It attaches
-- what it made, instead of creating it in its place, because that waits for no reader: a backup
-- that takes all night must not stop the log.
CREATE FUNCTION carrel_log.make_partitions(up_to bigint, size bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    partitions_max CONSTANT integer := 16;
    made integer := 0;
    room bigint;
    name text;
BEGIN
    -- Two processes may find at the same time that it is time for the next one.
    LOCK TABLE carrel_log.partitions IN EXCLUSIVE MODE;
    SELECT coalesce(max(past), 1) INTO room FROM carrel_log.partitions;
    WHILE room <= up_to LOOP
        IF made = partitions_max OR size < 1 THEN
            RAISE EXCEPTION 'more than % partitions at once, for positions up to % by %',
                partitions_max, up_to, size;
        END IF;
        name := 'records_' || lpad(room::text, 19, '0');
        EXECUTE format('CREATE TABLE carrel_log.%I (LIKE carrel_log.records INCLUDING ALL)', name);
        EXECUTE format(
            'ALTER TABLE carrel_log.records ATTACH PARTITION carrel_log.%I'
            ' FOR VALUES FROM (%s) TO (%s)',
            name, room, room + size);
        INSERT INTO carrel_log.partitions VALUES (room, room + size);
        room := room + size;
        made := made + 1;
    END LOOP;
    RETURN room;
END $$;

REVOKE ALL ON FUNCTION carrel_log.make_partitions FROM PUBLIC;

-- Lets a role write and read the log. Only the log's owner can call it with any effect. What was
-- appended, nobody but the owner can change: that is what the missing rights are for.
CREATE FUNCTION carrel_log.admit(application name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA carrel_log TO %I', application);
    EXECUTE format('GRANT SELECT, INSERT ON carrel_log.units, carrel_log.records TO %I', application);
    EXECUTE format('GRANT SELECT ON carrel_log.log, carrel_log.partitions TO %I', application);
    EXECUTE format('GRANT UPDATE (incarnation) ON carrel_log.log TO %I', application);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE ON carrel_log.streams, carrel_log.cursors, carrel_log.leases TO %I',
        application);
    EXECUTE format(
        'GRANT SELECT, INSERT, DELETE ON carrel_log.snapshots, carrel_log.snapshot_pieces TO %I',
        application);
    EXECUTE format('GRANT EXECUTE ON FUNCTION carrel_log.make_partitions TO %I', application);
END $$;

REVOKE ALL ON FUNCTION carrel_log.admit FROM PUBLIC;

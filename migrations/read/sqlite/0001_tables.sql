-- The read models: a table for each kind of thing.
--
-- `doc` is what is answered, `memo` is what has to be known to write the row again, all other
-- columns are what is filtered and sorted by. A file of another shape than this one is not
-- changed: it is built anew from the log, so this is the only migration, and `user_version` is
-- raised with every change of it.

-- How far each projection has come. It changes in the transaction of its rows.
CREATE TABLE projections (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    log_id BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What things are found by that may have several values. The name stands here so that a page of
-- what has a label comes sorted.
CREATE TABLE facets (
    kind TEXT NOT NULL,
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    name TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (kind, facet, value, name, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
    kind TEXT NOT NULL,
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, facet, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE hypervisors (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    state TEXT
) STRICT;

CREATE TABLE storages (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    medium TEXT,
    low_on_space INTEGER
) STRICT;

CREATE TABLE networks (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL
) STRICT;

CREATE TABLE media (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    kind TEXT,
    storage BLOB
) STRICT;

CREATE TABLE templates (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    os TEXT
) STRICT;

CREATE TABLE machines (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    state TEXT,
    kind TEXT,
    pool BLOB,
    hypervisor BLOB,
    initial BLOB,
    source BLOB,
    image BLOB,
    ready INTEGER,
    in_use INTEGER,
    locked INTEGER
) STRICT;

CREATE TABLE images (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    initial BLOB,
    state TEXT,
    number INTEGER
) STRICT;

CREATE TABLE pools (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    mode TEXT,
    closed INTEGER,
    initial BLOB
) STRICT;

CREATE TABLE clients (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    provider TEXT,
    blocked INTEGER
) STRICT;

CREATE TABLE groups (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    provider TEXT
) STRICT;

CREATE TABLE labs (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL
) STRICT;

CREATE TABLE terminals (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    lab BLOB,
    class TEXT
) STRICT;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    state TEXT,
    client BLOB,
    terminal BLOB,
    pool BLOB,
    machine BLOB,
    left_at INTEGER
) STRICT;

CREATE TABLE operations (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL,
    state TEXT,
    actor BLOB,
    left_at INTEGER
) STRICT;

CREATE TABLE admins (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    memo TEXT NOT NULL
) STRICT;

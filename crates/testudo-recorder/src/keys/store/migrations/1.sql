-- Facts about the file itself.
CREATE TABLE facts (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE tenants (
    pseudonym BLOB PRIMARY KEY NOT NULL CHECK (length(pseudonym) = 16),
    -- Empty for what belongs to no tenant.
    name TEXT NOT NULL UNIQUE,
    -- The tenant's key, and the key-encryption key that it lies under.
    kek TEXT NOT NULL,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Callers and people. The name is nowhere in plain text; the row is all that ties it to the pseudonym.
CREATE TABLE subjects (
    pseudonym BLOB PRIMARY KEY NOT NULL CHECK (length(pseudonym) = 16),
    tenant BLOB NOT NULL REFERENCES tenants (pseudonym),
    kind TEXT NOT NULL CHECK (kind IN ('principal', 'person')),
    -- Keyed hash of the name under a key of the tenant, for looking up.
    tag BLOB NOT NULL CHECK (length(tag) = 32),
    -- The subject's key under the tenant's.
    wrapped BLOB NOT NULL,
    -- The name under the subject's key.
    name BLOB NOT NULL,
    -- Milliseconds since 1970-01-01T00:00:00Z.
    created_at INTEGER NOT NULL,
    UNIQUE (tenant, kind, tag)
) STRICT, WITHOUT ROWID;

-- While there is one, the subject cannot be erased and its payloads do not age.
CREATE TABLE holds (
    subject BLOB NOT NULL REFERENCES subjects (pseudonym),
    reason TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (subject, reason)
) STRICT, WITHOUT ROWID;

-- Erasures whose tombstone is not in the log yet. They go on after a crash.
CREATE TABLE erasures (
    request TEXT PRIMARY KEY NOT NULL,
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    tenant BLOB NOT NULL REFERENCES tenants (pseudonym),
    basis TEXT NOT NULL,
    approver BLOB NOT NULL CHECK (length(approver) = 16),
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;

-- Facts about the file itself.
CREATE TABLE facts (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE keys (
    id TEXT PRIMARY KEY NOT NULL,
    -- HMAC-SHA-256 of the whole token under the pepper; the token itself is nowhere.
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- JSON arrays of strings; NULL is no restriction.
    roles TEXT NOT NULL,
    routes TEXT,
    models TEXT,
    requests_per_minute INTEGER,
    tokens_per_minute INTEGER,
    cost_micros_per_day INTEGER,
    concurrent INTEGER,
    -- Milliseconds since 1970-01-01T00:00:00Z.
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER,
    -- Grows with every write to the table; readers ask for what is greater than they have seen.
    sequence INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX keys_by_sequence ON keys (sequence);

CREATE TRIGGER keys_inserted AFTER INSERT ON keys BEGIN
    UPDATE keys SET sequence = (SELECT max(sequence) FROM keys) + 1 WHERE id = NEW.id;
END;

-- Every column but the sequence, so that edits by hand are seen as well.
CREATE TRIGGER keys_updated AFTER UPDATE OF
    id, hash, name, tenant, kind, roles, routes, models, requests_per_minute, tokens_per_minute,
    cost_micros_per_day, concurrent, created, expires, revoked
ON keys BEGIN
    UPDATE keys SET sequence = (SELECT max(sequence) FROM keys) + 1 WHERE id = NEW.id;
END;

-- Revocation is for good, and a key's trace stays: an id is never handed out twice.
CREATE TRIGGER keys_stay BEFORE DELETE ON keys BEGIN
    SELECT raise(ABORT, 'keys are revoked, not deleted');
END;

CREATE TRIGGER keys_stay_revoked BEFORE UPDATE OF revoked ON keys
WHEN OLD.revoked IS NOT NULL AND NEW.revoked IS NOT OLD.revoked BEGIN
    SELECT raise(ABORT, 'a revocation is final');
END;

CREATE TRIGGER keys_keep_their_id BEFORE UPDATE OF id ON keys BEGIN
    SELECT raise(ABORT, 'the id of a key is final');
END;

PRAGMA user_version = 1;

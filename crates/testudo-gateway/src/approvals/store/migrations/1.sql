-- Facts about the file itself.
CREATE TABLE facts (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE approvals (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'expired', 'used')),
    key TEXT NOT NULL,
    tenant TEXT NOT NULL,
    route TEXT NOT NULL,
    exchange TEXT NOT NULL,
    -- SHA-256 of the request whose answer is kept.
    request BLOB CHECK (length(request) = 32),
    -- SHA-256 over everything that makes two holds the same.
    binding BLOB NOT NULL CHECK (length(binding) = 32),
    policy BLOB NOT NULL CHECK (length(policy) = 32),
    quorum INTEGER NOT NULL CHECK (quorum > 0),
    -- How long an approved call may still be made, in milliseconds.
    use_within INTEGER NOT NULL,
    -- Milliseconds since 1970-01-01T00:00:00Z.
    opened INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    settled INTEGER,
    -- Sealed under a key that follows from the pepper; nothing is left once it is used, denied or expired.
    texts BLOB,
    answer BLOB,
    CHECK (state IN ('waiting', 'approved') OR (texts IS NULL AND answer IS NULL))
) STRICT;

-- The same hold waits once.
CREATE UNIQUE INDEX approvals_by_binding ON approvals (binding) WHERE state IN ('waiting', 'approved');
CREATE INDEX approvals_by_request ON approvals (key, route, request);
CREATE INDEX approvals_by_state ON approvals (state, expires);

CREATE TABLE calls (
    approval TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    tool TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    used INTEGER,
    PRIMARY KEY (approval, position)
) STRICT;

CREATE INDEX calls_by_digest ON calls (digest);

CREATE TABLE votes (
    approval TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
    voter TEXT NOT NULL,
    uid INTEGER,
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'deny')),
    at INTEGER NOT NULL,
    PRIMARY KEY (approval, voter),
    -- One person does not count twice under two names.
    UNIQUE (approval, uid)
) STRICT;

-- What the ledger and the webhook are still to be told; a row goes when it was told.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    approval TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('opened', 'approve', 'deny', 'expired', 'used', 'login', 'refused')),
    voter TEXT,
    at INTEGER NOT NULL
) STRICT;

-- What is settled stays so.
CREATE TRIGGER approvals_stay_settled BEFORE UPDATE OF state ON approvals
WHEN OLD.state IN ('denied', 'expired', 'used') OR (OLD.state = 'approved' AND NEW.state IN ('waiting', 'denied')) BEGIN
    SELECT raise(ABORT, 'a settled approval is final');
END;

CREATE TRIGGER approvals_stay_bound BEFORE UPDATE OF id, key, tenant, route, exchange, request, binding, policy, quorum, opened ON approvals BEGIN
    SELECT raise(ABORT, 'what an approval is bound to is final');
END;

CREATE TRIGGER calls_stay_bound BEFORE UPDATE OF approval, position, tool, digest ON calls BEGIN
    SELECT raise(ABORT, 'what an approval is bound to is final');
END;

CREATE TRIGGER calls_stay_used BEFORE UPDATE OF used ON calls WHEN OLD.used IS NOT NULL BEGIN
    SELECT raise(ABORT, 'a call is made once');
END;

PRAGMA user_version = 1;

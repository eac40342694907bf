-- Rotations whose entry may not be in the log yet, or whose old keys are not overwritten. They go on after a crash.
CREATE TABLE rotations (
    number INTEGER PRIMARY KEY NOT NULL,
    what TEXT NOT NULL,
    -- The ids of the old and the new key, as entries name them.
    old_key TEXT NOT NULL,
    new_key TEXT NOT NULL,
    -- Whose key it was; none for a key-encryption key.
    tenant BLOB REFERENCES tenants (pseudonym),
    approver BLOB CHECK (length(approver) = 16),
    -- Whether its entry is in the log.
    noted INTEGER NOT NULL CHECK (noted IN (0, 1))
) STRICT;

PRAGMA user_version = 2;

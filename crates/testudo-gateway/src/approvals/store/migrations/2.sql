-- Names of groups, with a space between them: of each somebody has to approve.
ALTER TABLE approvals ADD COLUMN approvers TEXT NOT NULL DEFAULT '';

-- The groups that a voter was in.
ALTER TABLE votes ADD COLUMN groups TEXT NOT NULL DEFAULT '';

CREATE TRIGGER approvals_stay_with_their_groups BEFORE UPDATE OF approvers ON approvals BEGIN
    SELECT raise(ABORT, 'what an approval is bound to is final');
END;

PRAGMA user_version = 2;

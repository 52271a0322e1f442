-- Version 3 of the outbox: the dispatcher's state in parts, so that a batch writes what it changed.
-- The state as it was is the part with the empty key; the dispatcher reads it, and its next batch
-- puts parts of their own in its place.
CREATE TABLE dispatch_part (
    key BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO dispatch_part (key, bytes) SELECT x'', state FROM dispatch;
DROP TABLE dispatch;

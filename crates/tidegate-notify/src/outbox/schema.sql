-- Version 1 of the outbox; orders.sql makes version 2 of it, and parts.sql version 3. `user_version` holds the number.
-- Times are milliseconds since 1970 in UTC.

-- Notices. `seq` is the order in which they were accepted.
CREATE TABLE notice (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    body TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- 0 pending, 1 delivered, 2 dead.
    state INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER,
    -- Of the last try that failed, or why it is dead.
    why TEXT
) STRICT;
CREATE INDEX notice_by_state ON notice (state, channel, seq);
CREATE INDEX notice_expiring ON notice (expires_at) WHERE state = 0;
CREATE INDEX notice_next ON notice (next_at) WHERE state = 0;

-- The alerts of pending notices: one of an alert waits until those before it are done.
CREATE TABLE pending_alert (
    channel TEXT NOT NULL,
    alert TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES notice (seq) ON DELETE CASCADE,
    PRIMARY KEY (channel, alert, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_alert_by_seq ON pending_alert (seq);

CREATE TABLE attempt (
    seq INTEGER NOT NULL REFERENCES notice (seq) ON DELETE CASCADE,
    try INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    why TEXT,
    PRIMARY KEY (seq, try)
) STRICT, WITHOUT ROWID;

-- What an Alertmanager is told again and again. An alert has a row for each set of labels.
CREATE TABLE standing (
    channel TEXT NOT NULL,
    alert TEXT NOT NULL,
    labels TEXT NOT NULL,
    body TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    -- When it ended; null while it stands.
    ended_at INTEGER,
    PRIMARY KEY (channel, alert, labels)
) STRICT, WITHOUT ROWID;

-- Channels that said that they are gone, with the hash of the settings of that time.
CREATE TABLE gone (
    channel TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the reader of alerts was when the newest notices were accepted.
CREATE TABLE read_up_to (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- One row: the dispatcher's own state.
CREATE TABLE dispatch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    state BLOB NOT NULL
) STRICT;

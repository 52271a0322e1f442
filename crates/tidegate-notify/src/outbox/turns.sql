-- Version 3 of the outbox: orders that a schedule makes, at most one for each turn.
CREATE TABLE order_turn (
    -- What comes again and again, such as the summary of one grid unit on one channel.
    series TEXT NOT NULL,
    -- Which of them.
    turn INTEGER NOT NULL,
    number INTEGER NOT NULL REFERENCES orders (number),
    PRIMARY KEY (series, turn)
) STRICT, WITHOUT ROWID;

-- A turn that is forgotten would be ordered again.
CREATE TRIGGER turns_stay BEFORE DELETE ON order_turn BEGIN
    SELECT raise(ABORT, 'turns are never deleted');
END;

CREATE TRIGGER turns_are BEFORE UPDATE ON order_turn BEGIN
    SELECT raise(ABORT, 'turns are never changed');
END;

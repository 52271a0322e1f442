-- Version 2 of the outbox: what operators order while a notifier runs.
-- `hash` is the SHA-256 of the row and of the hash before it; see orders.rs.
CREATE TABLE orders (
    number INTEGER PRIMARY KEY,
    made_at INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    -- JSON; the program that applies it knows its shape.
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- When it was applied and what came of it; both null while it is open.
    applied_at INTEGER,
    result TEXT
) STRICT;
CREATE INDEX orders_open ON orders (number) WHERE applied_at IS NULL;

CREATE TRIGGER orders_stay BEFORE DELETE ON orders BEGIN
    SELECT raise(ABORT, 'orders are never deleted');
END;

-- Also stops INSERT OR REPLACE, which deletes without asking the trigger above.
CREATE TRIGGER orders_are_appended BEFORE INSERT ON orders
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM orders)
    OR NEW.applied_at IS NOT NULL OR NEW.result IS NOT NULL
BEGIN
    SELECT raise(ABORT, 'orders are only appended, and open');
END;

CREATE TRIGGER orders_are_applied_once BEFORE UPDATE ON orders
WHEN OLD.applied_at IS NOT NULL OR NEW.applied_at IS NULL OR NEW.result IS NULL
    OR NEW.number IS NOT OLD.number OR NEW.made_at IS NOT OLD.made_at
    OR NEW.made_by IS NOT OLD.made_by OR NEW.body IS NOT OLD.body
    OR NEW.previous IS NOT OLD.previous OR NEW.hash IS NOT OLD.hash
BEGIN
    SELECT raise(ABORT, 'of an order only applied_at and result change, and once');
END;

-- Who was erased: an id that is never used again, and when. A write that finds no outbox row looks
-- here, since erasing takes that row away.
CREATE TABLE erased (
    user_id   bigint      PRIMARY KEY CHECK (user_id > 0),
    erased_at timestamptz NOT NULL CHECK (isfinite(erased_at))
);

-- Who wants what is old to be forgotten.
CREATE TABLE retention (
    user_id       bigint      PRIMARY KEY CHECK (user_id > 0),
    months        smallint    NOT NULL CONSTRAINT retention_months CHECK (months BETWEEN 3 AND 600),
    -- What lies before this day was forgotten; it goes on with the calendar.
    forget_before date        NOT NULL CHECK (isfinite(forget_before)),
    updated_at    timestamptz NOT NULL CHECK (isfinite(updated_at))
);

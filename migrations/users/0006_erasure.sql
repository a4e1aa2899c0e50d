-- Who was erased: an id that is never used again, and when. It is a tombstone and the saga at once:
-- every group says here that it has erased too.
CREATE TABLE erasure (
    user_id               bigint      PRIMARY KEY CHECK (user_id > 0),
    -- Whoever knows it may see how far the erasure has come: 122 random bits, and no name.
    receipt               uuid        NOT NULL CONSTRAINT erasure_receipt UNIQUE,
    erased_at             timestamptz NOT NULL CHECK (isfinite(erased_at)),
    -- The session in which it was asked for, until its last token has expired: whoever lost the
    -- answer asks again by that token and gets the same receipt.
    asked_by              uuid,
    cycles_done_at        timestamptz CHECK (isfinite(cycles_done_at)),
    analytics_done_at     timestamptz CHECK (isfinite(analytics_done_at)),
    notifications_done_at timestamptz CHECK (isfinite(notifications_done_at)),
    -- When the events of this user were first removed from the broker; after all groups were done.
    events_done_at        timestamptz CHECK (isfinite(events_done_at)),
    -- When there is something to do: to tell the groups again, or to look for late events. Null: never.
    next_look_at          timestamptz CHECK (isfinite(next_look_at)),
    -- How often that was done in the present phase.
    looks                 integer     NOT NULL DEFAULT 0 CHECK (looks >= 0)
);

CREATE INDEX erasure_due ON erasure (next_look_at) WHERE next_look_at IS NOT NULL;
-- What the groups ask for, and the verifiers of tokens.
CREATE INDEX erasure_recent ON erasure (erased_at, user_id);

CREATE INDEX erasure_asked ON erasure (erased_at) WHERE asked_by IS NOT NULL;

-- The name of this database, which every backup of it shares. The ledger of erasures, which is kept
-- outside, says by it whose ids it has.
CREATE TABLE lineage (
    name     uuid    NOT NULL DEFAULT gen_random_uuid(),
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO lineage DEFAULT VALUES;

-- A registration's first answer is kept for nobody (user 0) and holds the new account's id.
CREATE INDEX idempotency_registered ON idempotency ((answer ->> 'user_id')) WHERE user_id = 0;

-- One row per (topic, user): bounded by the number of users, no cursor, no clean-up job.
-- The write transaction upserts its row; that row lock makes versions dense and puts them
-- in commit order.
CREATE TABLE outbox (
    topic             text        NOT NULL,
    user_id           bigint      NOT NULL,
    version           bigint      NOT NULL CHECK (version > 0),
    published_version bigint      NOT NULL DEFAULT 0,
    event_id          uuid        NOT NULL,
    verb              text        NOT NULL,
    request_id        text        NOT NULL,
    traceparent       text        NOT NULL,
    not_before        timestamptz NOT NULL DEFAULT now(),
    attempts          integer     NOT NULL DEFAULT 0,
    dirty_since       timestamptz,
    changed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, user_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- What the relay has to publish.
CREATE INDEX outbox_due ON outbox (topic, not_before) WHERE version > published_version;
-- What anti-entropy asks for.
CREATE INDEX outbox_changed ON outbox (topic, changed_at, user_id);

-- The highest stream sequence that the broker acknowledged, to notice a store that went back.
CREATE TABLE relay_position (
    topic         text   PRIMARY KEY,
    last_sequence bigint NOT NULL
);

-- Who gave a date of birth before there were versions has version 1, which the relay tells of. The
-- trace is made of the event's id, as that of an event without one.
WITH known AS MATERIALIZED (
    SELECT id AS user_id, gen_random_uuid() AS event_id FROM account
    WHERE date_of_birth IS NOT NULL),
traced AS (
    SELECT user_id, event_id, replace(event_id::text, '-', '') AS trace_id FROM known)
INSERT INTO outbox (topic, user_id, version, event_id, verb, request_id, traceparent, dirty_since)
SELECT 'user.changed', user_id, 1, event_id, 'recorded', 'migration-users-0003',
       '00-' || trace_id || '-' || right(trace_id, 16) || '-01', now()
FROM traced;

-- Processes of the program before this one may still run: they store a date of birth and tell nobody.
-- Then the commit does, if the transaction has not told of it itself. A later migration drops this.
CREATE FUNCTION account_tells_its_date_of_birth() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event uuid := gen_random_uuid();
    trace text := replace(event::text, '-', '');
BEGIN
    INSERT INTO outbox (topic, user_id, version, event_id, verb, request_id, traceparent, dirty_since)
    VALUES ('user.changed', NEW.id, 1, event, 'edited', 'before-users-0003',
            '00-' || trace || '-' || right(trace, 16) || '-01', now())
    ON CONFLICT (topic, user_id) DO UPDATE SET
        version = outbox.version + 1,
        event_id = excluded.event_id,
        verb = excluded.verb,
        request_id = excluded.request_id,
        traceparent = excluded.traceparent,
        dirty_since = coalesce(outbox.dirty_since, now()),
        changed_at = now(),
        not_before = least(outbox.not_before, now())
    WHERE outbox.xmin <> pg_current_xact_id()::xid;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER account_registered AFTER INSERT ON account
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.date_of_birth IS NOT NULL)
    EXECUTE FUNCTION account_tells_its_date_of_birth();
CREATE CONSTRAINT TRIGGER account_corrected AFTER UPDATE OF date_of_birth ON account
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.date_of_birth IS DISTINCT FROM NEW.date_of_birth)
    EXECUTE FUNCTION account_tells_its_date_of_birth();

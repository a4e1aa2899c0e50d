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

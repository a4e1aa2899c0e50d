-- The first answer to each write that came with an Idempotency-Key, kept for a day at least.
-- Only hashes of the key and of the request are stored.
CREATE TABLE idempotency (
    user_id      bigint      NOT NULL,
    key_hash     bytea       NOT NULL CHECK (length(key_hash) = 32),
    request_hash bytea       NOT NULL CHECK (length(request_hash) = 32),
    answer       jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key_hash)
);

CREATE INDEX idempotency_created_at ON idempotency (created_at);

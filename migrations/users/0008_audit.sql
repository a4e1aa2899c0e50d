-- What was done to an account, and tried, for its owner to read: by which session, on what device, from
-- which network. No word of what somebody logs, no address of a person or a machine, no secret. Kept
-- for `auth.audit_days`, and gone with the account.
CREATE TABLE audit (
    user_id    bigint      NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    at         timestamptz NOT NULL CHECK (isfinite(at)),
    id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind       text        NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 40),
    -- The session or API token by which it was done.
    session_id uuid,
    -- The session or API token that it was done to.
    target_id  uuid,
    -- What the client called itself.
    device     text        CHECK (char_length(device) BETWEEN 1 AND 100),
    -- The network of the address: /24 of IPv4, /48 of IPv6.
    network    text        CHECK (char_length(network) BETWEEN 1 AND 43),
    -- How often within the hour that begins at `at`, and when last: what fails is counted, so that
    -- nobody fills the log by failing.
    times      integer     NOT NULL DEFAULT 1 CHECK (times > 0),
    last_at    timestamptz NOT NULL CHECK (last_at >= at AND isfinite(last_at)),
    PRIMARY KEY (user_id, at, id)
);

-- What is to be forgotten.
CREATE INDEX audit_at ON audit (at);

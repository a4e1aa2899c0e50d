-- The key that seals second factors and names throttled accounts and addresses, wrapped under a key
-- that is outside the database.
CREATE TABLE data_key (
    id      integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    wrapped bytea   NOT NULL CHECK (length(wrapped) BETWEEN 73 AND 256)
);

-- The second factor (RFC 6238). The shared secret is sealed under that key.
CREATE TABLE second_factor (
    user_id       bigint      PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    secret_sealed bytea       NOT NULL CHECK (length(secret_sealed) BETWEEN 41 AND 256),
    created_at    timestamptz NOT NULL CHECK (isfinite(created_at)),
    -- It is asked for from here on.
    confirmed_at  timestamptz CHECK (isfinite(confirmed_at)),
    -- The newest time step whose code was taken: no code counts twice.
    last_step     bigint      NOT NULL DEFAULT 0 CHECK (last_step >= 0)
);

-- Codes for the day on which the authenticator app is lost. A used one is gone.
CREATE TABLE recovery_code (
    user_id   bigint NOT NULL REFERENCES second_factor (user_id) ON DELETE CASCADE,
    code_hash bytea  NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
);

-- Links by which a new password can be set. A used one is gone.
CREATE TABLE password_reset (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    bigint      NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at))
);

CREATE INDEX password_reset_user_id ON password_reset (user_id);
CREATE INDEX password_reset_expires_at ON password_reset (expires_at);

-- Attempts to prove who one is. Names are keyed hashes of accounts, of addresses, or of both. A row
-- counts until forget_at.
CREATE TABLE throttle (
    name       bytea       PRIMARY KEY CHECK (length(name) = 32),
    attempts   integer     NOT NULL CHECK (attempts >= 0),
    -- The next attempt is looked at from here on.
    not_before timestamptz NOT NULL CHECK (isfinite(not_before)),
    forget_at  timestamptz NOT NULL CHECK (isfinite(forget_at))
);

CREATE INDEX throttle_forget_at ON throttle (forget_at);

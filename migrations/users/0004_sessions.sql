-- Goes up whenever who knew the former credentials is not to get in by them any more: a sign-in
-- that was proved with those opens no session.
ALTER TABLE account ADD COLUMN credentials_version bigint NOT NULL DEFAULT 1;

-- What somebody is signed in to, and personal API tokens. One that ended has no row.
CREATE TABLE session (
    id           uuid        PRIMARY KEY,
    user_id      bigint      NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind         text        NOT NULL CHECK (kind IN ('sign_in', 'api_token')),
    -- The name of an API token, or what the client called itself.
    label        text        CHECK (char_length(label) BETWEEN 1 AND 100),
    -- The scopes of an API token, with spaces between; a sign-in has all.
    scopes       text        CHECK (char_length(scopes) BETWEEN 1 AND 500),
    -- SHA-256 of an API token.
    token_hash   bytea       CHECK (length(token_hash) = 32),
    created_at   timestamptz NOT NULL CHECK (isfinite(created_at)),
    last_used_at timestamptz CHECK (isfinite(last_used_at)),
    expires_at   timestamptz NOT NULL CHECK (isfinite(expires_at)),

    CONSTRAINT session_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT session_kind_members CHECK (CASE kind
        WHEN 'sign_in' THEN scopes IS NULL AND token_hash IS NULL AND last_used_at IS NOT NULL
        ELSE scopes IS NOT NULL AND token_hash IS NOT NULL AND label IS NOT NULL END)
);

CREATE INDEX session_of_user ON session (user_id, kind);
CREATE INDEX session_expires_at ON session (expires_at);

-- The refresh tokens of a session, as SHA-256: one that can be spent, and those that were, so that
-- a thief who comes with one of them is known.
CREATE TABLE refresh_token (
    hash       bytea       PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid        NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    -- The token that was spent for this one.
    parent     bytea       CHECK (length(parent) = 32),
    spent_at   timestamptz CHECK (isfinite(spent_at))
);

-- A session has one token that can be spent.
CREATE UNIQUE INDEX refresh_token_live ON refresh_token (session_id) WHERE spent_at IS NULL;
CREATE INDEX refresh_token_session ON refresh_token (session_id);

-- Sessions that ended while access tokens of theirs may still be about; no word on whose they were.
-- Kept until the last of those has expired.
CREATE TABLE revocation (
    place       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id  uuid        NOT NULL,
    revoked_at  timestamptz NOT NULL DEFAULT now(),
    -- Rows of transactions that were under way when a reader looked are found by it the next time.
    transaction bigint      NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint
);

CREATE INDEX revocation_order ON revocation (transaction, place);
CREATE INDEX revocation_revoked_at ON revocation (revoked_at);

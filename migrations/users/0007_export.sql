-- Who took what along, or brought it back, within a day: each can be done a few times a day. Older rows go
-- with the next request, and all of them with the account.
CREATE TABLE data_request (
    user_id      bigint      NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind         text        NOT NULL
        CONSTRAINT data_request_kind CHECK (kind IN ('export', 'cycles_csv', 'symptoms_csv', 'import')),
    requested_at timestamptz NOT NULL CHECK (isfinite(requested_at)),
    -- Two of one instant.
    id           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (user_id, id)
);

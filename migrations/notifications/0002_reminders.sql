-- What was last heard of a user's prediction. This row is the per-user lock of every write.
CREATE TABLE subject (
    user_id              bigint      PRIMARY KEY,
    -- The version of `prediction.changed` whose state was applied.
    applied_version      bigint      NOT NULL DEFAULT 0 CHECK (applied_version >= 0),
    -- The version of the user's cycles that this state reflects.
    as_of_version        bigint      NOT NULL DEFAULT 0 CHECK (as_of_version >= 0),
    -- The active prediction: all three, or none.
    prediction_id        bigint,
    anchor_cycle_id      bigint,
    predicted_start_date date        CHECK (isfinite(predicted_start_date)),
    -- Set for ever when the user was erased: nothing is derived for them any more.
    erased_at            timestamptz CHECK (isfinite(erased_at)),
    CONSTRAINT subject_prediction_whole
        CHECK (num_nulls(prediction_id, anchor_cycle_id, predicted_start_date) IN (0, 3))
);

-- How a user wants to be reminded. The defaults stand here and nowhere else.
CREATE TABLE preferences (
    user_id                 bigint      PRIMARY KEY,
    period_reminder_enabled boolean     NOT NULL DEFAULT true,
    reminder_days_before    smallint    NOT NULL DEFAULT 3 CHECK (reminder_days_before BETWEEN 1 AND 7),
    email_enabled           boolean     NOT NULL DEFAULT true,
    push_enabled            boolean     NOT NULL DEFAULT false,
    created_at              timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at              timestamptz NOT NULL CHECK (isfinite(updated_at))
);

-- Reminders. The life of one: pending, sending (committed before anybody is contacted), then sent,
-- failed or unknown; cancelled while it is not wanted.
CREATE TABLE notification (
    user_id         bigint      NOT NULL REFERENCES subject (user_id),
    id              bigint      NOT NULL CHECK (id > 0),
    kind            text        NOT NULL CHECK (kind IN ('period_reminder')),
    anchor_cycle_id bigint      NOT NULL,
    prediction_id   bigint      NOT NULL,
    title           text        NOT NULL,
    message         text        NOT NULL,
    scheduled_for   timestamptz NOT NULL CHECK (isfinite(scheduled_for)),
    status          text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'cancelled')),
    sent_at         timestamptz CHECK (isfinite(sent_at)),
    error_message   text,
    created_at      timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at      timestamptz NOT NULL CHECK (isfinite(updated_at)),
    PRIMARY KEY (user_id, id),
    -- One reminder for each cycle, however often its prediction changes.
    CONSTRAINT notification_once_per_anchor UNIQUE (user_id, kind, anchor_cycle_id)
);

-- At every instant at most one reminder of a kind waits for its time.
CREATE UNIQUE INDEX notification_one_pending ON notification (user_id, kind) WHERE status = 'pending';
-- Newest first.
CREATE INDEX notification_newest ON notification (user_id, created_at DESC, id DESC);

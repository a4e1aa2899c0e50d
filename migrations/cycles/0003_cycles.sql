-- Cycles and symptoms. Lengths and marks are no columns: they are derived from the timeline when
-- it is read, so an insert, edit or delete cannot leave a neighbour's length behind.

-- A trusted extension: the owner of the database may create it, no superuser is needed.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE cycle (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id          bigint      NOT NULL CHECK (user_id > 0),
    start_date       date        NOT NULL,
    end_date         date,
    -- The user's version at which this row's dates, or the start before it, last changed.
    input_version    bigint      NOT NULL CHECK (input_version > 0),
    input_changed_at timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    -- What a symptom refers to, so that it cannot be hung on another user's cycle.
    CONSTRAINT cycle_owner UNIQUE (user_id, id),
    CONSTRAINT cycle_start UNIQUE (user_id, start_date),
    CONSTRAINT cycle_start_in_range CHECK (start_date BETWEEN '1900-01-01' AND '9999-12-31'),
    CONSTRAINT cycle_period_in_range CHECK (end_date BETWEEN start_date AND start_date + 30),
    -- An open period claims the one day that is known of it. A later start is allowed, since it
    -- tells that the open period has ended by then; its end, once said, must lie before that start.
    CONSTRAINT cycle_periods_apart EXCLUDE USING gist (
        user_id WITH =,
        daterange(start_date, coalesce(end_date, start_date), '[]') WITH &&
    )
) WITH (fillfactor = 85);

CREATE TABLE symptom (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint      NOT NULL,
    cycle_id     bigint      NOT NULL,
    date         date        NOT NULL CHECK (date BETWEEN '1900-01-01' AND '9999-12-31'),
    symptom_type text        NOT NULL CHECK (char_length(symptom_type) BETWEEN 1 AND 50),
    value        text        NOT NULL CHECK (char_length(value) BETWEEN 1 AND 100),
    severity     smallint    CHECK (severity BETWEEN 1 AND 10),
    notes        text        CHECK (char_length(notes) <= 4000),
    created_at   timestamptz NOT NULL,
    -- No cascade: whoever deletes a cycle says that its symptoms go too.
    CONSTRAINT symptom_cycle FOREIGN KEY (user_id, cycle_id) REFERENCES cycle (user_id, id)
);

-- Newest date first, of one user and of one cycle.
CREATE INDEX symptom_list ON symptom (user_id, date DESC, id DESC);
CREATE INDEX symptom_list_of_cycle ON symptom (user_id, cycle_id, date DESC, id DESC);

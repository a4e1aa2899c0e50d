-- Life as it is: spans in which cycles are not like the user's others, cycles whose length is to be
-- left out, and what the user said about gaps. docs/decisions/0019-life-as-it-is.md says why.

ALTER TABLE cycle ADD COLUMN excluded boolean NOT NULL DEFAULT false;

CREATE TABLE episode (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint      NOT NULL CHECK (user_id > 0),
    kind       text        NOT NULL CONSTRAINT episode_kind CHECK (kind IN (
        'pregnancy', 'postpartum', 'breastfeeding', 'hormonal_contraception', 'perimenopause',
        'pause')),
    start_date date        NOT NULL
        CONSTRAINT episode_start_in_range CHECK (start_date BETWEEN '1900-01-01' AND '9999-12-31'),
    -- None while it goes on.
    end_date   date
        CONSTRAINT episode_end_in_range CHECK (end_date BETWEEN start_date AND '9999-12-31'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Kinds do coexist (after a birth: postpartum and breastfeeding); one kind twice on a day is a
    -- mistake. A range without an upper bound is one that goes on for ever.
    CONSTRAINT episode_kind_apart EXCLUDE USING gist (
        user_id WITH =,
        kind WITH =,
        daterange(start_date, end_date, '[]') WITH &&
    )
);

-- Newest start first, of one user.
CREATE INDEX episode_list ON episode (user_id, start_date DESC, id DESC);

-- What the user said about the days from a cycle's start to the next start, with the gap as it was
-- when the question was asked. `missed_on` is not among the answers: it becomes a cycle.
CREATE TABLE gap_answer (
    user_id         bigint      NOT NULL,
    cycle_id        bigint      NOT NULL,
    start_date      date        NOT NULL,
    -- None if nothing was logged after it then.
    next_start_date date        CHECK (next_start_date > start_date),
    answer          text        NOT NULL
        CONSTRAINT gap_answer_known CHECK (answer IN ('none_missed', 'missed_unknown')),
    answered_at     timestamptz NOT NULL,
    PRIMARY KEY (user_id, cycle_id),
    -- A cascade, unlike that of symptoms: without its cycle there is no gap to say anything about.
    CONSTRAINT gap_answer_cycle FOREIGN KEY (user_id, cycle_id) REFERENCES cycle (user_id, id)
        ON DELETE CASCADE
);

-- What is derived from a user's cycles. Everything here can be dropped: it is computed again,
-- with the same ids, from what the cycles group answers.

-- One row per user: which version of the cycles the other tables reflect, and the statistics.
-- Whoever changes a user's derived state takes this row's lock first.
CREATE TABLE subject (
    user_id               bigint           NOT NULL PRIMARY KEY,
    applied_version       bigint           NOT NULL DEFAULT 0 CHECK (applied_version >= 0),
    -- Names the derivation that computed it; another one computes the same version again.
    model                 text             NOT NULL DEFAULT '',
    -- The version that this one replaced, if the same model had computed it: who knows what was
    -- stored then, knows what there is to change. Null means: compare with what is stored.
    replaced_version      bigint,
    erased_at             timestamptz,
    total_cycles          integer          NOT NULL DEFAULT 0 CHECK (total_cycles >= 0),
    average_cycle_length  double precision,
    average_period_length double precision,
    cycle_regularity      text             NOT NULL DEFAULT 'unknown'
        CHECK (cycle_regularity IN ('very_regular', 'regular', 'irregular', 'unknown'))
) WITH (fillfactor = 70);

-- One row per cycle, under the cycle's own id.
CREATE TABLE cycle_analytics (
    user_id              bigint      NOT NULL,
    id                   bigint      NOT NULL,
    start_date           date        NOT NULL CHECK (isfinite(start_date)),
    end_date             date        CHECK (end_date >= start_date AND isfinite(end_date)),
    cycle_length         integer     CHECK (cycle_length > 0),
    period_length        integer     CHECK (period_length > 0),
    is_regular           boolean,
    average_cycle_length double precision,
    cycle_variance       double precision,
    created_at           timestamptz NOT NULL,
    -- Of this row and of the prediction that is anchored at this cycle, to find what changed.
    fingerprint          bigint      NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 70);

-- One row per cycle: the prediction made when that cycle was the newest.
CREATE TABLE prediction (
    user_id               bigint           NOT NULL,
    -- Derived from (user, anchor cycle, input version, method); at most 53 bits.
    id                    bigint           NOT NULL CHECK (id > 0 AND id < 9007199254740992),
    anchor_cycle_id       bigint           NOT NULL,
    anchor_start_date     date             NOT NULL CHECK (isfinite(anchor_start_date)),
    predicted_start_date  date             NOT NULL CHECK (predicted_start_date > anchor_start_date),
    predicted_end_date    date             NOT NULL CHECK (predicted_end_date >= predicted_start_date),
    confidence_score      double precision NOT NULL CHECK (confidence_score BETWEEN 0 AND 1),
    prediction_method     text             NOT NULL,
    based_on_cycles       integer          NOT NULL,
    notes                 text             NOT NULL,
    intervals             jsonb            NOT NULL,
    fertile_start_date    date             NOT NULL,
    fertile_end_date      date             NOT NULL,
    ovulation_date        date             NOT NULL,
    ovulation_first_date  date             NOT NULL,
    ovulation_last_date   date             NOT NULL,
    is_active             boolean          NOT NULL,
    actual_start_date     date             CHECK (actual_start_date > anchor_start_date),
    created_at            timestamptz      NOT NULL,
    PRIMARY KEY (user_id, id),
    CONSTRAINT prediction_one_per_anchor UNIQUE (user_id, anchor_cycle_id),
    CONSTRAINT prediction_active_is_open CHECK (NOT is_active OR actual_start_date IS NULL)
) WITH (fillfactor = 70);

-- At every instant, for every reader.
CREATE UNIQUE INDEX prediction_one_active ON prediction (user_id) WHERE is_active;

-- The forecasts of a model that depends on the person's age and on the day. All of it is derived: the
-- rows of the earlier rule have the model number 0 and are computed again.

ALTER TABLE subject
    DROP COLUMN model,
    DROP COLUMN replaced_version,
    -- A state is (applied_version, person_version, model_number, forecast_day). It is replaced by one
    -- that is greater in one of them and lower in none, so nothing ever goes back.
    ADD COLUMN model_number integer NOT NULL DEFAULT 0,
    -- Null: nothing was heard of the person yet.
    ADD COLUMN person_version bigint,
    ADD COLUMN date_of_birth date CHECK (isfinite(date_of_birth)),
    -- The day as of which the active prediction was made.
    ADD COLUMN forecast_day date CHECK (isfinite(forecast_day)),
    -- The day from which on it has to be made again, because days without a start say something. Null:
    -- never.
    ADD COLUMN forecast_due date,
    -- What reads and the forecasts of later days need, as model_number's program writes it.
    ADD COLUMN known jsonb,
    -- Whether the state that this one replaced is what its writer believed to be stored: who knows
    -- what was stored, knows what there is to change.
    ADD COLUMN replaced_as_believed boolean NOT NULL DEFAULT false;

-- Whose prediction has to be made again today.
CREATE INDEX subject_forecast_due ON subject (forecast_due, user_id) WHERE forecast_due IS NOT NULL;

-- Of what the prediction anchored at this cycle was computed from: if it is the same, the prediction is.
ALTER TABLE cycle_analytics ADD COLUMN forecast_fingerprint bigint NOT NULL DEFAULT 0;

ALTER TABLE prediction
    ADD COLUMN upcoming jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN fertility jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN missed_log_probability double precision NOT NULL DEFAULT 0
        CHECK (missed_log_probability BETWEEN 0 AND 1),
    -- The last day of which it is known that nothing was logged.
    ADD COLUMN open_until date,
    ADD CONSTRAINT prediction_settled_is_not_open CHECK (is_active OR open_until IS NULL);

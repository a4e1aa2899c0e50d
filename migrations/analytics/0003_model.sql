-- The forecasts of a model that depends on the person's age and on the day. All of it is derived: the
-- rows of the earlier rule have the model number 0 and are computed again.
--
-- Processes of the program before this one may still run: it needs `model` and `replaced_version`,
-- which a later migration drops. Checks are not validated: no row of before can fail them, and
-- looking at each would hold everybody up.

ALTER TABLE subject
    -- What the program before takes for its own: it leaves alone what this one has stored.
    ALTER COLUMN model SET DEFAULT 'average_cycle_length/1',
    -- A state is (applied_version, person_version, model_number, forecast_day). It is replaced by one
    -- that is greater in one of them and lower in none, so nothing ever goes back.
    ADD COLUMN model_number integer NOT NULL DEFAULT 0,
    -- Null: nothing was heard of the person yet.
    ADD COLUMN person_version bigint,
    ADD COLUMN date_of_birth date,
    -- The day as of which the active prediction was made.
    ADD COLUMN forecast_day date,
    -- The day from which on it has to be made again, because days without a start say something. Null:
    -- never.
    ADD COLUMN forecast_due date,
    -- What reads and the forecasts of later days need, as model_number's program writes it.
    ADD COLUMN known jsonb,
    -- Whether the state that this one replaced is what its writer believed to be stored: who knows
    -- what was stored, knows what there is to change.
    ADD COLUMN replaced_as_believed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT subject_days_are_finite
        CHECK (isfinite(date_of_birth) AND isfinite(forecast_day)) NOT VALID;

-- Whose prediction has to be made again today.
CREATE INDEX subject_forecast_due ON subject (forecast_due, user_id) WHERE forecast_due IS NOT NULL;

-- Of what the prediction anchored at this cycle was computed from: if it is the same, the prediction is.
ALTER TABLE cycle_analytics ADD COLUMN forecast_fingerprint bigint NOT NULL DEFAULT 0;

ALTER TABLE prediction
    ADD COLUMN upcoming jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN fertility jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN missed_log_probability double precision NOT NULL DEFAULT 0,
    -- The last day of which it is known that nothing was logged.
    ADD COLUMN open_until date,
    -- Mean and quantiles of the days to the start; null where the program before stored the row.
    ADD COLUMN days_to_start jsonb,
    ADD CONSTRAINT prediction_missed_log_is_a_probability
        CHECK (missed_log_probability BETWEEN 0 AND 1) NOT VALID,
    ADD CONSTRAINT prediction_settled_is_not_open
        CHECK (is_active OR open_until IS NULL) NOT VALID;

-- What the program before stores, it stores by the earlier rule, and knows none of the columns above.
-- So whatever they hold by then is of other rows: they are as they were, and the user is found to be
-- behind. It alone names `model` in an update, first of all and under the user's lock.
CREATE FUNCTION subject_of_the_program_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cycle_analytics SET forecast_fingerprint = 0 WHERE user_id = NEW.user_id;
    UPDATE prediction
        SET upcoming = '[]', fertility = '[]', missed_log_probability = 0, open_until = NULL,
            days_to_start = NULL
        WHERE user_id = NEW.user_id;
    NEW.model_number := 0;
    NEW.forecast_day := NULL;
    NEW.forecast_due := NULL;
    NEW.known := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER subject_of_the_program_before BEFORE UPDATE OF model ON subject
    FOR EACH ROW EXECUTE FUNCTION subject_of_the_program_before();

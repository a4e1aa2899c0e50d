-- What users write in their own words is sealed: a value and a note of a symptom, and answers that hold
-- them. docs/decisions/0026-sealed-values.md says how, what it protects, and what it does not.

-- The key of a user's sealed values, itself sealed under a key that is in no database. Without this row
-- nothing of the user can be opened: to erase a user is to delete it, before anything else.
CREATE TABLE data_key (
    user_id    bigint      NOT NULL PRIMARY KEY CHECK (user_id > 0),
    wrapped    bytea       NOT NULL CHECK (length(wrapped) = 81),
    -- Under which key it is wrapped: the second to the ninth byte of the format say so.
    kek_id     bytea       NOT NULL GENERATED ALWAYS AS (substring(wrapped FROM 2 FOR 8)) STORED,
    created_at timestamptz NOT NULL
);

-- Which keys are needed, and what is to be wrapped anew.
CREATE INDEX data_key_kek ON data_key (kek_id, user_id);

-- What was written before stays readable in its old columns until it is sealed, which is done while the
-- service runs. The limits of the contract are held by the service, which alone can count characters.
ALTER TABLE symptom
    ALTER COLUMN value DROP NOT NULL,
    ADD COLUMN value_sealed bytea CHECK (length(value_sealed) BETWEEN 73 AND 512),
    ADD COLUMN notes_sealed bytea CHECK (length(notes_sealed) BETWEEN 73 AND 16384),
    ADD CONSTRAINT symptom_value_once CHECK (num_nonnulls(value, value_sealed) = 1),
    ADD CONSTRAINT symptom_notes_once CHECK (num_nonnulls(notes, notes_sealed) <= 1);

-- What is still to be sealed: empty before long.
CREATE INDEX symptom_in_clear ON symptom (user_id) WHERE value IS NOT NULL OR notes IS NOT NULL;

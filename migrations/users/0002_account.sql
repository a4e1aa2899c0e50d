-- One row per person. What a person typed is kept as typed; the *_key columns hold the same in
-- lower case (made by the domain, which knows Unicode) and make both unique without regard to case.
CREATE TABLE account (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text        NOT NULL,
    email_key     text        NOT NULL,
    username      text        NOT NULL,
    username_key  text        NOT NULL,
    password_hash text        NOT NULL,
    first_name    text,
    last_name     text,
    date_of_birth date,
    is_active     boolean     NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,

    CONSTRAINT account_email_unique UNIQUE (email_key),
    CONSTRAINT account_username_unique UNIQUE (username_key),
    CONSTRAINT account_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    -- Lower case can be longer: U+0130 becomes two characters.
    CONSTRAINT account_email_key_length CHECK (char_length(email_key) BETWEEN 3 AND 508),
    CONSTRAINT account_username_length CHECK (char_length(username) BETWEEN 3 AND 80),
    CONSTRAINT account_username_key_length CHECK (char_length(username_key) BETWEEN 3 AND 160),
    -- A PHC string of argon2id: nothing else can ever be stored as a password.
    CONSTRAINT account_password_hash_phc
        CHECK (password_hash LIKE '$argon2id$v=19$%' AND char_length(password_hash) <= 255),
    CONSTRAINT account_first_name_length CHECK (char_length(first_name) BETWEEN 1 AND 100),
    CONSTRAINT account_last_name_length CHECK (char_length(last_name) BETWEEN 1 AND 100),
    CONSTRAINT account_date_of_birth_range
        CHECK (date_of_birth >= DATE '1900-01-01' AND isfinite(date_of_birth)),
    CONSTRAINT account_times_finite CHECK (isfinite(created_at) AND isfinite(updated_at))
);

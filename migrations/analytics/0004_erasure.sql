-- What lies before this day the user wants to be forgotten: cycles says so with the history, and
-- notifications hears it with the active prediction.
ALTER TABLE subject ADD COLUMN forget_before date CHECK (isfinite(forget_before));

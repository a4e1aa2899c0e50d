\set u random(1,1000)
BEGIN;
UPDATE outbox SET version = version + 1 WHERE topic='cycle.changed' AND user_id = :u RETURNING version;
SELECT start_date, end_date, excluded, (SELECT min(later.start_date) FROM cycle later WHERE later.user_id = :u AND later.start_date > cycle.start_date) AS next_start FROM cycle WHERE user_id = :u AND id = :u;
INSERT INTO symptom (user_id, cycle_id, date, symptom_type, value, severity, notes, created_at) VALUES (:u, :u, '2025-01-02', 'mood', 'happy', 3, 'Woke up rested and went for a walk before work.', now()) RETURNING id, cycle_id, date, symptom_type, value, severity, notes, created_at;
COMMIT;

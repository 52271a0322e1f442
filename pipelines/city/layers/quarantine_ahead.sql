-- Persons in quarantine on each day ahead; the level is the date.
SELECT
  'day_ahead' AS subject_kind,
  concat('D+', lpad(CAST(days_ahead AS VARCHAR), 2, '0')) AS subject,
  expected    AS value,
  lo90        AS lo,
  hi90        AS hi,
  'persons'   AS unit,
  date        AS level,
  reason,
  method
FROM quarantine_load

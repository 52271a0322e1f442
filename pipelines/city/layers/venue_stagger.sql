-- Persons who would have to come at another time so that no venue is over its capacity within half a
-- day, by the high end of the forecast.
SELECT
  subject_kind,
  subject,
  sum(persons) AS value,
  'persons'    AS unit,
  'stagger/nearest-slot@1' AS method
FROM stagger_hint
GROUP BY subject_kind, subject

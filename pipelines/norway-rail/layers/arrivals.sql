-- Vehicles that arrived at each stop, by the hour.
SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  arrivals * 12  AS value,
  'vehicles/h'   AS unit,
  'flow/count@1' AS method
FROM stop_5m
WHERE arrivals > 0

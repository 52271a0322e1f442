-- The fullest vehicle near each stop.
SELECT
  'site'             AS subject_kind,
  site_id            AS subject,
  aboard             AS value,
  aboard_low         AS lo,
  aboard_high        AS hi,
  'persons/vehicle'  AS unit,
  'load/status@1'    AS method
FROM stop_5m
WHERE aboard IS NOT NULL

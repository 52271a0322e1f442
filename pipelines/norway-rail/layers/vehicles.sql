-- Positions of vehicles on their way to each stop or at it.
SELECT
  'site'            AS subject_kind,
  site_id           AS subject,
  positions         AS value,
  'positions'       AS unit,
  'positions/all@1' AS method
FROM stop_5m
WHERE positions > 0

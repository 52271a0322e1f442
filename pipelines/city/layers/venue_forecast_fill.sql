-- The high end of the persons expected inside in an hour, as a share of the venue's capacity: one in
-- ten such forecasts is exceeded. A reason to watch, no more.
SELECT
  'venue'             AS subject_kind,
  f.subject           AS subject,
  f.hi80 / v.capacity AS value,
  f.lo80 / v.capacity AS lo,
  f.hi80 / v.capacity AS hi,
  '1'                 AS unit,
  f.method            AS method
FROM forecast f
JOIN venue v ON v.venue_id = f.subject
WHERE f.layer = 'venue_occupancy' AND f.horizon_minutes = 60

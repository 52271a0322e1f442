-- Persons expected inside in 15 minutes, with the interval in which 80 % of such forecasts were right.
SELECT
  subject_kind,
  subject,
  value,
  lo80 AS lo,
  hi80 AS hi,
  unit,
  method
FROM forecast
WHERE layer = 'venue_occupancy' AND horizon_minutes = 15

-- How far the persons inside are above or below what was forecast a quarter of an hour before, in
-- standard deviations; `alarm` where that stands out among all venues in 2 of 3 windows.
SELECT
  subject_kind,
  subject,
  z AS value,
  'standard deviations' AS unit,
  CASE WHEN flag THEN 'alarm' WHEN NOT flag THEN 'normal' END AS level,
  method
FROM aberration
WHERE layer = 'venue_occupancy'

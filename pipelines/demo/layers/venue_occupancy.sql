SELECT
  'venue'                    AS subject_kind,
  o.venue_id                 AS subject,
  o.persons                  AS value,
  o.lo,
  o.hi,
  'persons'                  AS unit,
  o.data_age,
  'occupancy/conservation@1' AS method
FROM occupancy o

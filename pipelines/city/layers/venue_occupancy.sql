SELECT
  'venue'                    AS subject_kind,
  o.venue_id                 AS subject,
  o.persons                  AS value,
  o.lo,
  o.hi,
  'persons'                  AS unit,
  o.data_age,
  o.method
FROM occupancy o

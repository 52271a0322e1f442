-- Occupancy as a share of the venue's capacity.
SELECT
  'venue'                    AS subject_kind,
  o.venue_id                 AS subject,
  o.persons / CAST(v.capacity AS DOUBLE) AS value,
  o.lo / v.capacity          AS lo,
  o.hi / v.capacity          AS hi,
  '1'                        AS unit,
  o.data_age,
  o.method
FROM occupancy o
JOIN venue v ON v.venue_id = o.venue_id

-- The matrix summed by destination: equals station_exits.
SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  sum(persons)   AS value,
  'persons/h'    AS unit,
  'flow/count@1' AS method
FROM od_1h
GROUP BY site_id

-- Whether more come than go: the difference over its standard deviation by chance (Skellam).
SELECT
  'venue'                                  AS subject_kind,
  venue_id                                 AS subject,
  flow_skellam_z(arrivals, departures)     AS value,
  '1'                                      AS unit,
  data_age,
  CASE WHEN arrivals + departures = 0 THEN 'nobody_passed' END AS reason,
  'indicator/skellam-z@1'                  AS method
FROM occupancy

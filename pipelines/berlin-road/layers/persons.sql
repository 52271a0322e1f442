-- Estimated from vehicles by the feed's factor; never to be added to counted persons.
SELECT
  'site'          AS subject_kind,
  site_id         AS subject,
  persons         AS value,
  persons_low     AS lo,
  persons_high    AS hi,
  'persons/h'     AS unit,
  'flow/factor@1' AS method
FROM road_1h

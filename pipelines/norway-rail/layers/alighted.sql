-- Persons who alighted, between what the loads show at least and all who were aboard.
SELECT
  'site'               AS subject_kind,
  site_id              AS subject,
  alighted * 12        AS value,
  alighted_low * 12    AS lo,
  alighted_high * 12   AS hi,
  'persons/h'          AS unit,
  'alighting/load@1'   AS method
FROM stop_5m
WHERE alighted IS NOT NULL

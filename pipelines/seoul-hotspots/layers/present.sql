SELECT
  'site'              AS subject_kind,
  site_id             AS subject,
  persons             AS value,
  persons_low         AS lo,
  persons_high        AS hi,
  'persons'           AS unit,
  'presence/source@1' AS method
FROM hotspot_10m

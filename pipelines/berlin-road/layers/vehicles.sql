SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  vehicles       AS value,
  'vehicles/h'   AS unit,
  'flow/count@1' AS method
FROM road_1h

SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  persons        AS value,
  'persons/h'    AS unit,
  'flow/count@1' AS method
FROM street_1h

SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  persons        AS value,
  'persons/d'    AS unit,
  'flow/count@1' AS method
FROM border_1d

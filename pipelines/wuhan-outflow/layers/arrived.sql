SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  persons        AS value,
  'persons'      AS unit,
  'flow/count@1' AS method
FROM outflow_24d

SELECT
  'site'         AS subject_kind,
  site_id        AS subject,
  boarded        AS value,
  'persons/d'    AS unit,
  'flow/count@1' AS method
FROM station_1d

SELECT
  'origin'       AS subject_kind,
  origin         AS subject,
  sum(persons)   AS value,
  'persons'      AS unit,
  'flow/count@1' AS method
FROM outflow_24d
GROUP BY origin

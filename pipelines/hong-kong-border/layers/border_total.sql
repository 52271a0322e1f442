-- Both directions over all control points.
SELECT
  'city'         AS subject_kind,
  'hong-kong'    AS subject,
  sum(persons)   AS value,
  'persons/d'    AS unit,
  'flow/count@1' AS method
FROM border_1d
HAVING count(*) > 0

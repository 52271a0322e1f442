-- The fullest day ahead: persons that are not exceeded with 90 %, as a share of the places.
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  max(bound90 / CAST(places AS DOUBLE)) AS value,
  '1'    AS unit,
  max(reason) AS reason,
  'quarantine/load@1' AS method
FROM quarantine_load
HAVING count(*) > 0

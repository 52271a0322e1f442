-- Persons who entered through the cordon, by origin, each traveller once.
SELECT
  'origin'       AS subject_kind,
  f.origin       AS subject,
  sum(f.persons) AS value,
  'persons'      AS unit,
  'flow/count@1' AS method
FROM inflow_15m f
JOIN site s ON s.site_id = f.site_id
WHERE s.cordon
GROUP BY f.origin

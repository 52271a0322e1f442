-- The low end of the 80 % interval of the same rate: who acts on it acts on what is nearly sure.
WITH arrivals AS (
  SELECT i.origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin AND i.origin <> 'unknown'
  WHERE s.cordon
  GROUP BY i.origin
),
risk AS (
  SELECT import_risk(a.persons, i.evidence, i.entry_effect, u.evidence) AS r
  FROM arrivals a
  LEFT JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  HAVING count(*) > 0
)
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  4 * r['lambda_lo80']    AS value,
  4 * r['lambda_lo95']    AS lo,
  4 * r['lambda']         AS hi,
  'infectious arrivals/h' AS unit,
  'inflow/lambda-joint@1' AS method
FROM risk
